import { deepEqual, equal, fail, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { callContext } from "../../test/support/call-context.js";
import { systemClock } from "../clock.js";
import { type Fault, MeshError } from "../errors.js";
import { fakeTracing } from "../tracing/fake-tracing.js";
import { noSpan } from "../tracing/span.js";
import type { CallContext } from "./call.js";
import { Gather, type Gathered, settleEach } from "./gather.js";

/** A gather whose calls are written down and answered by hand; an item's result is the item in capitals. */
function open(
  options: {
    itemsMax?: number;
    kindOf?: (item: string) => string;
    faultsOfSharing?: ReadonlySet<Fault>;
  } = {},
) {
  const sent: {
    readonly gathered: readonly Gathered<string, string>[];
    readonly items: readonly string[];
    readonly context: CallContext;
    answer(): void;
    fail(error: Error): void;
  }[] = [];
  const gather = new Gather<string, string>({
    itemsMax: 8,
    ...options,
    sendAlone: (item, context) =>
      new Promise((resolve, reject) => {
        const answer = (): void => resolve(item.toUpperCase());
        sent.push({ gathered: [], items: [item], context, answer, fail: reject });
      }),
    sendTogether: (gathered, context) =>
      new Promise((resolve, reject) => {
        const items = gathered.map(({ item }) => item);
        const answer = (): void => {
          const results = items.map((item) => item.toUpperCase());
          settleEach(gathered, results);
          resolve();
        };
        sent.push({ gathered, items, context, answer, fail: reject });
      }),
  });
  return { gather, sent };
}

function traced(isSampled: boolean): CallContext {
  return callContext({ trace: fakeTracing(systemClock).begin({ isSampled }) });
}

function itemsOf(sent: readonly { readonly items: readonly string[] }[]): (readonly string[])[] {
  return sent.map(({ items }) => items);
}

test("what is called in one turn goes out as one, and each caller gets its own result", async () => {
  const { gather, sent } = open();
  const results = ["a", "b", "c"].map((item) => gather.call(item, callContext()));
  deepEqual(itemsOf(sent), []);
  await turn();
  const later = gather.call("d", callContext());
  deepEqual(itemsOf(sent), [["a", "b", "c"]]);
  await turn();
  deepEqual(itemsOf(sent), [["a", "b", "c"], ["d"]]);
  for (const { answer } of sent) answer();
  deepEqual(await Promise.all(results), ["A", "B", "C"]);
  equal(await later, "D");
});

test("a lone item goes out with its own context", async () => {
  const { gather, sent } = open();
  const context = callContext();
  const result = gather.call("a", context);
  await turn();
  equal(sent[0]?.context, context);
  sent[0]?.answer();
  equal(await result, "A");
});

test("several have a context between them that outlives each but the last", async () => {
  const { gather, sent } = open();
  const leavers = [new AbortController(), new AbortController()];
  const left = leavers.map(({ signal }, index) => {
    const context = callContext({ signal, deadlineAtMs: 50 - index, requestId: `r${index}` });
    return rejects(gather.call(String(index), context), { message: `left ${index}` });
  });
  await turn();
  const context = sent[0]?.context;
  ok(context);
  const { signal, ...rest } = context;
  deepEqual(rest, { deadlineAtMs: 50, trace: noSpan, requestId: "r0", clientIp: "" });
  leavers[0]?.abort(new Error("left 0"));
  await left[0];
  equal(signal.aborted, false);
  leavers[1]?.abort(new Error("left 1"));
  equal(signal.reason?.message, "left 1");
  await left[1];
});

test("callers who share a signal leave together", async () => {
  const { gather, sent } = open();
  const leaver = new AbortController();
  const context = callContext({ signal: leaver.signal });
  const left = ["a", "b"].map((item) => rejects(gather.call(item, context), { message: "left" }));
  await turn();
  leaver.abort(new Error("left"));
  await Promise.all(left);
  equal(sent[0]?.context.signal.aborted, true);
});

test("who left before the call goes out is not in it", async () => {
  const { gather, sent } = open();
  const leaver = new AbortController();
  const left = gather.call("a", callContext({ signal: leaver.signal }));
  const stays = callContext();
  const result = gather.call("b", stays);
  leaver.abort(new Error("left"));
  await rejects(left, { message: "left" });
  await rejects(gather.call("c", callContext({ signal: leaver.signal })), { message: "left" });
  await turn();
  deepEqual(itemsOf(sent), [["b"]]);
  equal(sent[0]?.context, stays);
  sent[0]?.answer();
  equal(await result, "B");
});

test("a full group does not wait for the turn to end", async () => {
  const { gather, sent } = open({ itemsMax: 2 });
  const results = ["a", "b", "c"].map((item) => gather.call(item, callContext()));
  deepEqual(itemsOf(sent), [["a", "b"]]);
  await turn();
  deepEqual(itemsOf(sent), [["a", "b"], ["c"]]);
  for (const { answer } of sent) answer();
  deepEqual(await Promise.all(results), ["A", "B", "C"]);
});

test("only items of one kind go together", async () => {
  const { gather, sent } = open({ kindOf: (item) => item.slice(0, 1) });
  const results = ["a1", "b1", "a2"].map((item) => gather.call(item, callContext()));
  await turn();
  deepEqual(itemsOf(sent), [["a1", "a2"], ["b1"]]);
  for (const { answer } of sent) answer();
  deepEqual(await Promise.all(results), ["A1", "B1", "A2"]);
});

test("a sampled request goes alone at once, and one that is traced but not sampled does not", async () => {
  const { gather, sent } = open();
  const sampled = traced(true);
  const results = [gather.call("a", traced(false)), gather.call("b", sampled)];
  deepEqual(itemsOf(sent), [["b"]]);
  equal(sent[0]?.context, sampled);
  results.push(gather.call("c", callContext()));
  await turn();
  deepEqual(itemsOf(sent), [["b"], ["a", "c"]]);
  for (const { answer } of sent) answer();
  deepEqual(await Promise.all(results), ["A", "B", "C"]);

  const signal = AbortSignal.abort(new Error("left"));
  await rejects(gather.call("d", { ...sampled, signal }), { message: "left" });
  equal(sent.length, 2);
});

test("a call that several share is a trace of its own, told when one of theirs is", async () => {
  const { gather, sent } = open();
  const tracing = fakeTracing(systemClock);
  const spans = [0, 1].map(() => tracing.begin({ isSampled: false }).begin("tokenization"));
  const calls = spans.map((trace, index) => gather.call(String(index), callContext({ trace })));
  await turn();
  sent[0]?.context.trace.begin("client").end();
  sent[0]?.answer();
  await Promise.all(calls);
  spans[0]?.end();
  equal(tracing.exported.length, 0);
  spans[1]?.end(new MeshError("internal", "bug"));
  deepEqual(tracing.exported.map(({ name }) => name).toSorted(), [
    ...["client", "shared_call", "tokenization"],
  ]);
  const [shared] = tracing.exported.filter(({ name }) => name === "shared_call");
  deepEqual(shared?.links, spans);
  deepEqual(tracing.exported.find(({ name }) => name === "tokenization")?.links, [shared]);
  equal(shared?.attributes["arrowmesh.shared_by"], 2);
});

test("a mistake of one is not the error of another: each is sent again alone", async () => {
  for (const fault of ["empty", "invalid", "not_found", "too_large"] satisfies Fault[]) {
    const { gather, sent } = open();
    const leaver = new AbortController();
    const contexts = [callContext(), callContext(), callContext({ signal: leaver.signal })];
    const [bad, good, gone] = ["bad", "good", "gone"].map((item, index) =>
      gather.call(item, contexts[index] ?? callContext()),
    );
    await turn();
    leaver.abort(new Error("left"));
    await rejects(gone as Promise<string>, { message: "left" });
    sent[0]?.fail(new MeshError(fault, "somebody is wrong"));
    await turn();
    deepEqual(itemsOf(sent).slice(1), [["bad"], ["good"]]);
    equal(sent[1]?.context, contexts[0]);
    sent[1]?.fail(new MeshError(fault, "bad is wrong"));
    sent[2]?.answer();
    await rejects(bad as Promise<string>, { fault, message: "bad is wrong" });
    equal(await good, "GOOD");
  }
});

test("what is wrong with going together is nobody's error: who has no answer yet is sent again alone", async () => {
  const { gather, sent } = open({ faultsOfSharing: new Set<Fault>(["unavailable"]) });
  const [a, b] = ["a", "b"].map((item) => gather.call(item, callContext()));
  await turn();
  sent[0]?.gathered[0]?.resolve("first");
  sent[0]?.fail(new MeshError("unavailable", "away"));
  equal(await a, "first");
  await turn();
  deepEqual(itemsOf(sent).slice(1), [["b"]]);
  sent[1]?.fail(new MeshError("unavailable", "still away"));
  await rejects(b ?? fail(), { fault: "unavailable", message: "still away" });
  equal(sent.length, 2);
});

test("any other failure is everybody's", async () => {
  const { gather, sent } = open();
  const results = ["a", "b"].map((item) => gather.call(item, callContext()));
  await turn();
  sent[0]?.fail(new MeshError("unavailable", "away"));
  for (const result of results) await rejects(result, { fault: "unavailable" });
  equal(sent.length, 1);
});

test("an answer of another length is nobody's", async () => {
  const gather = new Gather<string, string>({
    itemsMax: 8,
    sendAlone: () => fail(),
    sendTogether: async (gathered) => settleEach(gathered, ["only one"]),
  });
  const results = ["a", "b"].map((item) => gather.call(item, callContext()));
  for (const result of results) await rejects(result, /1 results for 2 items/);
});

test("an item that is forgotten fails, and those that have a result keep it", async () => {
  const gather = new Gather<string, string>({
    itemsMax: 8,
    sendAlone: () => fail(),
    sendTogether: async ([first]) => first?.resolve("A"),
  });
  const [a, b] = ["a", "b"].map((item) => gather.call(item, callContext()));
  equal(await a, "A");
  await rejects(b ?? fail(), /1 of 2 items have no result/);
});

test("results come one by one, and an error is one as well", async () => {
  const { gather, sent } = open();
  const [a, b, c] = ["a", "b", "c"].map((item) => gather.call(item, callContext()));
  await turn();
  const [first, second] = sent[0]?.gathered ?? [];
  second?.resolve("B");
  equal(await b, "B");
  first?.reject(new MeshError("overloaded", "full"));
  await rejects(a ?? fail(), { fault: "overloaded" });
  sent[0]?.fail(new MeshError("unavailable", "away"));
  await rejects(c ?? fail(), { fault: "unavailable" });
  equal(sent.length, 1);
});
