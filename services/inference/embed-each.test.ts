import { deepEqual, equal, fail, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type EmbedEachRequest,
  EmbedEachRequestSchema,
  EmbedEachResponseSchema,
  type EmbedRequest,
} from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError, toMeshError } from "../../lib/errors.js";
import { Mailbox } from "../../lib/mailbox.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { createCallRecord } from "../../lib/rpc/call-record.js";
import { CallAbort, type CallSignal } from "../../lib/rpc/call-signal.js";
import { errorOf } from "../../lib/rpc/status.js";
import { callContext } from "../../test/support/call-context.js";
import { seeded } from "../../test/support/random.js";
import { withResolvers } from "../../test/support/with-resolvers.js";
import { embedEach } from "./embed-each.js";

type Message = MessageInitShape<typeof EmbedEachResponseSchema>;

const bounded = { timeout: 20_000 };
const left = new MeshError("cancelled", "left");

/** A call that waits for the test. */
interface Running {
  readonly signal: CallSignal;
  /** Its answer or its fault, as the first of them was given. */
  outcome: string | undefined;
  /** Its vectors are so many bytes, each its id. */
  answer(bytes?: number): void;
  fail(error: Error): void;
}

/** A stream of calls with ids of their own, which may differ from their numbers. */
function open(signal: CallSignal = new CallAbort()) {
  const requests = new Mailbox<EmbedEachRequest | Error>();
  const running: Running[] = [];
  const callRecord = createCallRecord();
  const embed = ({ sequences }: EmbedRequest, { signal }: CallContext) => {
    const id = sequences[0]?.ids[0] ?? 0;
    const { promise, resolve, reject } = withResolvers<{ vectors: Uint8Array }>();
    const call: Running = {
      ...{ signal, outcome: undefined },
      answer(bytes = 1) {
        call.outcome ??= String(id);
        resolve({ vectors: new Uint8Array(bytes).fill(id) });
      },
      fail(error) {
        call.outcome ??= toMeshError(error).fault;
        reject(error);
      },
    };
    signal.addEventListener("abort", () => call.fail(signal.reason ?? fail()));
    running.push(call);
    return promise;
  };
  const put = (request: MessageInitShape<typeof EmbedEachRequestSchema>): void =>
    requests.put(create(EmbedEachRequestSchema, request));
  return {
    ...{ running, callRecord },
    stream: embedEach(throwing(requests), callContext({ callRecord, signal }), embed),
    ask: (...ids: number[]) => put({ calls: ids.map((id) => ({ sequences: [{ ids: [id] }] })) }),
    cancel: (...cancelled: number[]) => put({ cancelled }),
    lose: (error: Error) => requests.put(error),
    close: () => requests.close(),
  };
}

async function* throwing<T>(source: AsyncIterable<T | Error>): AsyncGenerator<T> {
  for await (const item of source) {
    if (item instanceof Error) throw item;
    yield item;
  }
}

/** The outcomes of a message, as `number:id` or `number:fault`. */
function said(message: Message): string[] {
  return create(EmbedEachResponseSchema, message).outcomes.map(({ call, answer }) => {
    if (answer.case === "response") return `${call}:${answer.value.vectors[0]}`;
    return `${call}:${answer.value && errorOf(answer.value).fault}`;
  });
}

async function rest(stream: AsyncIterable<Message>): Promise<string[][]> {
  const messages: string[][] = [];
  for await (const message of stream) messages.push(said(message));
  return messages;
}

test("calls are answered in the order they are done, by their numbers", bounded, async () => {
  const { stream, running, ask, close } = open();
  const messages = rest(stream);
  ask(10, 11);
  ask(12);
  close();
  await turn();
  for (const call of [2, 0, 1]) {
    running[call]?.answer();
    await turn();
    await turn();
  }
  deepEqual(await messages, [["2:12"], ["0:10"], ["1:11"]]);
});

test("what is done in one turn goes out together", bounded, async () => {
  const { stream, running, ask, close } = open();
  const messages = rest(stream);
  ask(10, 11, 12);
  close();
  await turn();
  for (const call of [1, 2, 0]) running[call]?.answer();
  deepEqual(await messages, [["1:11", "2:12", "0:10"]]);
});

test("an error is the outcome of its own call, and counted", bounded, async () => {
  const { stream, running, callRecord, ask, close } = open();
  ask(10, 11, 12);
  close();
  const first = stream.next();
  await turn();
  running[0]?.fail(new MeshError("overloaded", "full", { retryAfterMs: 7 }));
  running[1]?.answer();
  running[2]?.fail(new Error("secret"));
  const message = create(EmbedEachResponseSchema, (await first).value as Message);
  deepEqual(said(message), ["0:overloaded", "1:11", "2:internal"]);
  const [overloaded, , bug] = message.outcomes.map(({ answer }) =>
    answer.case === "error" ? answer.value : undefined,
  );
  deepEqual([overloaded?.code, overloaded?.message], [8, "full"]);
  equal(overloaded && errorOf(overloaded).details.retryAfterMs, 7);
  deepEqual([bug?.code, bug?.message], [13, "internal error"]);
  equal(callRecord.failedMessages, 2);
  ok(callRecord.bug);
  equal((await stream.next()).done, true);
});

test("cancelled numbers abort their own calls, and others are ignored", bounded, async () => {
  const { stream, running, ask, cancel, close } = open();
  const messages = rest(stream);
  ask(10, 11, 12);
  await turn();
  running[2]?.answer();
  await turn();
  await turn();
  cancel(1, 2, 3, 0xffff_ffff);
  await turn();
  deepEqual(
    running.map(({ signal }) => signal.aborted),
    [false, true, false],
  );
  equal(running[1]?.signal.reason?.fault, "cancelled");
  running[0]?.answer();
  close();
  deepEqual((await messages).flat(), ["2:12", "1:cancelled", "0:10"]);
});

test("more calls than a stream may have fail it, and end those that run", bounded, async () => {
  const { stream, running, ask } = open();
  const ids = Array.from({ length: 256 }, (_, id) => id);
  const messages = rest(stream);
  ask(...ids);
  await turn();
  equal(running.length, 256);
  ask(0);
  await rejects(messages, { fault: "invalid" });
  equal(running.length, 256);
  ok(running.every(({ signal }) => signal.reason?.fault === "cancelled"));
});

for (const [what, kilobytes, expected] of [
  ["share a message up to a mebibyte of vectors", [400, 400, 400], [2, 1]],
  ["larger than that go alone", [400, 2_000, 400], [1, 1, 1]],
] as const) {
  test(`answers ${what}`, bounded, async () => {
    const { stream, running, ask, close } = open();
    const messages = rest(stream);
    ask(10, 11, 12);
    close();
    await turn();
    for (const [call, size] of kilobytes.entries()) running[call]?.answer(size * 1_000);
    const counts = (await messages).map(({ length }) => length);
    deepEqual(counts, expected);
  });
}

test("when the reader leaves, what runs is aborted", bounded, async () => {
  const { stream, running, ask } = open();
  ask(10, 11);
  const first = stream.next();
  await turn();
  running[0]?.answer();
  await first;
  await stream.return(undefined);
  equal(running[1]?.signal.reason?.fault, "cancelled");
});

test("the stream's own end is the end of its calls", bounded, async () => {
  const leaver = new AbortController();
  const { stream, running, ask, close } = open(leaver.signal);
  const messages = rest(stream);
  ask(10);
  await turn();
  leaver.abort(left);
  equal(running[0]?.signal.reason, left);
  close();
  deepEqual(await messages, [["0:cancelled"]]);
});

for (const isReading of [true, false]) {
  const when = isReading ? "waits" : "is busy";
  test(`requests that fail fail the stream, while its reader ${when}`, bounded, async () => {
    const { stream, running, ask, lose } = open();
    ask(10, 11);
    const first = stream.next();
    await turn();
    running[0]?.answer();
    await first;
    const refuse = () => rejects(stream.next(), (error) => error === left);
    const refused = isReading ? refuse() : undefined;
    lose(left);
    await turn();
    await turn();
    await (refused ?? refuse());
    equal(running[1]?.signal.aborted, true);
  });
}

test("the stream ends when it has had all requests and given all answers", bounded, async () => {
  const { stream, running, ask, close } = open();
  let hasEnded = false;
  const messages = rest(stream).finally(() => {
    hasEnded = true;
  });
  ask(10);
  await turn();
  running[0]?.answer();
  for (let i = 0; i < 3; i += 1) await turn();
  equal(hasEnded, false);
  ask(11);
  close();
  for (let i = 0; i < 3; i += 1) await turn();
  equal(hasEnded, false);
  running[1]?.answer();
  deepEqual(await messages, [["0:10"], ["1:11"]]);
});

test("a stream without calls is answered by its end", bounded, async () => {
  const { stream, close } = open();
  close();
  deepEqual(await rest(stream), []);
});

test("whatever happens to others, each call has one outcome, its own", bounded, async (t) => {
  const random = seeded(t);
  for (let run = 0; run < 40; run += 1) await runOnce(random);
});

async function runOnce(random: ReturnType<typeof seeded>): Promise<void> {
  const { stream, running, ask, cancel, close } = open();
  const cancelled = new Set<number>();
  let asked = 0;
  const steps = [
    () => {
      const ids = Array.from({ length: 1 + random.int(3) }, () => asked++);
      ask(...ids);
    },
    (call: number) => running[call]?.answer(),
    (call: number) => running[call]?.fail(new MeshError("overloaded", "full")),
    (call: number) => {
      cancelled.add(call);
      cancel(call);
    },
    () => turn(),
  ];
  const outcomes: string[] = [];
  const reading = (async () => {
    for await (const message of stream) {
      outcomes.push(...said(message));
      for (let wait = random.int(3); wait > 0; wait -= 1) await turn();
    }
  })();
  for (let step = 0; step < 80; step += 1) await random.pick(steps)(random.int(asked + 1));
  await turn();
  equal(running.length, asked);
  for (const call of running) call.answer();
  close();
  await reading;
  deepEqual(outcomes.sort(), running.map(({ outcome }, call) => `${call}:${outcome}`).sort());
  for (const [call, { outcome }] of running.entries()) {
    ok(outcome !== "cancelled" || cancelled.has(call), `${call} was not cancelled`);
  }
}
