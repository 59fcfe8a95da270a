import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../lib/errors.js";
import { errorOf } from "../../lib/rpc/status.js";
import { callContext } from "../../test/support/call-context.js";
import { answerStream } from "./answer-stream.js";
import { WaitingBound } from "./waiting-bound.js";

const limits = { waitingTextsMax: 2, waitingCharactersMax: 1_000 };
const context = callContext();

async function* requestsOf<T>(...items: (T | undefined)[]): AsyncGenerator<{ request?: T }> {
  for (const request of items) yield request === undefined ? {} : { request };
}

test("answers come in the order of requests, and a bad request is answered with its own error", async () => {
  const options = { window: 4, bound: new WaitingBound(limits), context };
  const answers = answerStream(requestsOf(30, 10, undefined, 0, 20), options, async (waits) => {
    for (let turn = 0; turn < waits; turn += 1) await undefined;
    if (waits === 0) throw new MeshError("invalid", "nothing to wait for");
    return { case: "waited" as const, value: waits };
  });
  const seen: unknown[] = [];
  for await (const { index, result } of answers) {
    const isError = result.case === "error";
    seen.push([index, isError ? result.value.message : result.value]);
  }
  deepEqual(seen, [
    [0n, 30],
    [1n, 10],
    [2n, "request is not set"],
    [3n, "nothing to wait for"],
    [4n, 20],
  ]);
});

test("no more than the window are worked on at once", async () => {
  const options = { window: 3, bound: new WaitingBound(limits), context };
  let running = 0;
  let most = 0;
  const requests = requestsOf(...Array.from({ length: 20 }, (_, index) => index + 1));
  const answers = answerStream(requests, options, async (value) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
    running -= 1;
    return { case: "done" as const, value };
  });
  let count = 0;
  for await (const _ of answers) count += 1;
  equal(count, 20);
  equal(most, 3);
});

test("a stream waits while too much waits, where a call would be refused", async () => {
  const bound = new WaitingBound(limits);
  const leave = bound.enter({ texts: 2, characters: 2 });
  const answer = async (text: string) => {
    bound.enter({ texts: 1, characters: text.length })();
    return { case: "done" as const, value: text };
  };
  await rejects(answer("c"), { fault: "overloaded" });
  const answers = answerStream(requestsOf("c", "d"), { window: 2, bound, context }, answer);
  const all = (async () => {
    const seen: unknown[] = [];
    for await (const { result } of answers) seen.push(result.value);
    return seen;
  })();
  await new Promise(setImmediate);
  leave();
  deepEqual(await all, ["c", "d"]);
});

test("a stream that waits ends with its signal", async () => {
  const bound = new WaitingBound(limits);
  const leave = bound.enter({ texts: 2, characters: 2 });
  const abort = new AbortController();
  const options = { window: 2, bound, context: callContext({ signal: abort.signal }) };
  const answers = answerStream(requestsOf("c"), options, async (value) => ({
    case: "done" as const,
    value,
  }));
  const first = answers[Symbol.asyncIterator]().next();
  await new Promise(setImmediate);
  abort.abort(new MeshError("deadline", "too late"));
  const { value } = await first;
  ok(value?.result.case === "error");
  const { code = 0, message = "" } = value.result.value;
  equal(errorOf({ code, message, details: [] }).fault, "deadline");
  leave();
});
