import { deepEqual, equal, fail, rejects } from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type EmbedOutcomeSchema,
  type EmbedRequest,
  EmbedRequestSchema,
  InferenceService,
  Priority,
} from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { systemClock } from "../../../lib/clock.js";
import { type Fault, MeshError, toMeshError } from "../../../lib/errors.js";
import { Mailbox } from "../../../lib/mailbox.js";
import { bind, type CallContext } from "../../../lib/rpc/call.js";
import { CallAbort } from "../../../lib/rpc/call-signal.js";
import { createLocalChannel } from "../../../lib/rpc/local-channel.js";
import { toStatus } from "../../../lib/rpc/status.js";
import { fakeTracing } from "../../../lib/tracing/fake-tracing.js";
import { callContext } from "../../../test/support/call-context.js";
import { createEmbedCall } from "./embed-call.js";

type Request = MessageInitShape<typeof EmbedRequestSchema>;
type Outcome = MessageInitShape<typeof EmbedOutcomeSchema>;

const bounded = { timeout: 20_000 };
const left = new MeshError("cancelled", "left");

/** A stream that the test answers. */
interface Stream {
  readonly calls: EmbedRequest[];
  readonly cancelled: number[];
  readonly context: CallContext;
  /** Whether the caller has closed its half. */
  isClosed: boolean;
  say(...outcomes: Outcome[]): void;
  fail(error: Error): void;
  end(): void;
}

/** Calls of their own are answered at once: the dimensions of an answer are the first id of its request. */
function open(isGathering = true) {
  const alone: { readonly request: EmbedRequest; readonly context: CallContext }[] = [];
  const streams: Stream[] = [];
  const inference = bind(InferenceService, {
    embed(request, context) {
      alone.push({ request, context });
      return { dimensions: idOf(request) };
    },
    embedEach(requests, context) {
      const messages = new Mailbox<Outcome[] | Error>();
      const stream: Stream = {
        ...{ calls: [], cancelled: [], context, isClosed: false },
        say: (...outcomes) => messages.put(outcomes),
        fail: (error) => messages.put(error),
        end: () => messages.close(),
      };
      streams.push(stream);
      void (async () => {
        for await (const { calls, cancelled } of requests) {
          stream.calls.push(...calls);
          stream.cancelled.push(...cancelled);
        }
        stream.isClosed = true;
        messages.close();
      })();
      return answers(messages);
    },
    embedTokens: () => ({}),
    embedSparse: () => ({}),
    classify: () => ({}),
    listModels: () => ({}),
  });
  const channel = createLocalChannel({ role: "test", bindings: [inference], interceptors: [] });
  const call = createEmbedCall(channel.client(InferenceService), { isGathering });
  const ask = async (request: Request, context = callContext()): Promise<number> =>
    (await call(request, context)).dimensions;
  const idsAlone = (): number[] => alone.map(({ request }) => idOf(request));
  const streamOf = (): Stream => streams[0] ?? fail("no stream");
  return { ask, alone, idsAlone, streams, streamOf };
}

async function* answers(messages: AsyncIterable<Outcome[] | Error>) {
  for await (const outcomes of messages) {
    if (outcomes instanceof Error) throw outcomes;
    yield { outcomes };
  }
}

function idOf({ sequences }: EmbedRequest): number {
  return sequences[0]?.ids[0] ?? 0;
}

function requestOf(id: number, sequences = 1, tokens = 1) {
  const ids = Array.from({ length: tokens }, () => id);
  return { sequences: Array.from({ length: sequences }, () => ({ ids })) };
}

function answered(call: number, dimensions: number): Outcome {
  return { call, answer: { case: "response", value: { dimensions } } };
}

function failed(call: number, fault: Fault): Outcome {
  return { call, answer: { case: "error", value: toStatus(new MeshError(fault, "no"), "id") } };
}

/** Three that share a stream, each with its own caller. */
async function openThree() {
  const opened = open();
  const leavers = [new CallAbort(), new CallAbort(), new CallAbort()] as const;
  const begin = (at: 0 | 1 | 2): Promise<number> =>
    opened.ask(requestOf(10 + at), callContext({ signal: leavers[at] }));
  const results = [begin(0), begin(1), begin(2)] as const;
  // Each is looked at by its test, but perhaps not before it fails.
  for (const result of results) result.catch(() => undefined);
  await turn();
  await turn();
  return { ...opened, leavers, results, stream: opened.streamOf() };
}

test("without gathering every call is one of its own", bounded, async () => {
  const { ask, idsAlone, streams } = open(false);
  deepEqual(await Promise.all([ask(requestOf(10)), ask(requestOf(11))]), [10, 11]);
  deepEqual([idsAlone(), streams.length], [[10, 11], 0]);
});

test("a lone request is a call of its own, with its own context", bounded, async () => {
  const { ask, alone, streams } = open();
  const context = callContext();
  equal(await ask(requestOf(10), context), 10);
  equal(alone[0]?.context, context);
  equal(streams.length, 0);
});

test("requests of one turn share a stream, and nothing of them is lost", bounded, async () => {
  const { ask, alone, streams, streamOf } = open();
  const requests: Request[] = [
    { job: { model: "m", version: "2", caller: "c" }, sequences: [{ ids: [1], typeIds: [0] }] },
    { job: { model: "n", priority: Priority.BULK }, normalize: false, ...requestOf(2, 2, 3) },
    { normalize: true, ...requestOf(3) },
  ];
  const results = requests.map((request) => ask(request));
  await turn();
  await turn();
  const { calls, say } = streamOf();
  deepEqual(
    calls,
    requests.map((request) => create(EmbedRequestSchema, request)),
  );
  say(answered(0, 1), answered(1, 2), answered(2, 3));
  deepEqual(await Promise.all(results), [1, 2, 3]);
  deepEqual([streams.length, alone.length], [1, 0]);
});

test("sampled requests go alone", bounded, async () => {
  const { ask, idsAlone, streamOf } = open();
  const { begin } = fakeTracing(systemClock);
  const traced = (isSampled: boolean) => callContext({ trace: begin({ isSampled }) });
  const [sampled, ...others] = [true, false, false].map((isSampled, at) =>
    ask(requestOf(10 + at), traced(isSampled)),
  );
  equal(await sampled, 10);
  await turn();
  deepEqual(streamOf().calls.map(idOf), [11, 12]);
  streamOf().say(answered(0, 11), answered(1, 12));
  deepEqual(await Promise.all(others), [11, 12]);
  deepEqual(idsAlone(), [10]);
});

for (const [what, sequences, tokens, isAlone] of [
  ["8 sequences", 8, 1, false],
  ["9 sequences", 9, 1, true],
  ["4,096 tokens", 4, 1_024, false],
  ["4,097 tokens", 1, 4_097, true],
] as const) {
  test(`a request of ${what} goes ${isAlone ? "alone" : "with others"}`, bounded, async () => {
    const { ask, idsAlone, streamOf } = open();
    const results = [ask(requestOf(10)), ask(requestOf(11, sequences, tokens)), ask(requestOf(12))];
    await turn();
    await turn();
    const ids = streamOf().calls.map(idOf);
    deepEqual([idsAlone(), ids], isAlone ? [[11], [10, 12]] : [[], [10, 11, 12]]);
    streamOf().say(...ids.map((id, call) => answered(call, id)));
    deepEqual(await Promise.all(results), [10, 11, 12]);
  });
}

test("each is answered as soon as its own outcome is there", bounded, async () => {
  const { results, stream } = await openThree();
  stream.say(answered(1, 11));
  equal(await results[1], 11);
  stream.say(answered(2, 12));
  equal(await results[2], 12);
  equal(stream.isClosed, false);
  stream.say(answered(0, 10));
  equal(await results[0], 10);
  await turn();
  equal(stream.isClosed, true);
});

for (const fault of ["invalid", "overloaded", "internal"] as const) {
  test(`an outcome that is ${fault} is its own caller's only`, bounded, async () => {
    const { results, stream, idsAlone } = await openThree();
    stream.say(failed(1, fault), answered(0, 10), answered(2, 12));
    await rejects(results[1], { fault, message: "no" });
    deepEqual(await Promise.all([results[0], results[2]]), [10, 12]);
    deepEqual(idsAlone(), []);
  });
}

test("an outcome without an answer is internal", bounded, async () => {
  const { results, stream } = await openThree();
  stream.say({ call: 1 }, answered(0, 10), answered(2, 12));
  await rejects(results[1], { fault: "internal" });
  deepEqual(await Promise.all([results[0], results[2]]), [10, 12]);
});

test("who leaves is cancelled by its number, and who was answered is not", bounded, async () => {
  const { results, stream, leavers } = await openThree();
  stream.say(answered(0, 10));
  equal(await results[0], 10);
  leavers[0].abort(left);
  leavers[1].abort(left);
  await rejects(results[1], (error) => error === left);
  await turn();
  deepEqual(stream.cancelled, [1]);
  equal(stream.context.signal.aborted, false);
  stream.say(failed(1, "cancelled"), answered(2, 12));
  equal(await results[2], 12);
});

test("when all have left, so has the stream's caller", bounded, async () => {
  const { results, stream, leavers, idsAlone } = await openThree();
  for (const leaver of leavers) leaver.abort(left);
  for (const result of results) await rejects(result, (error) => error === left);
  equal(stream.context.signal.reason, left);
  await turn();
  equal(stream.isClosed, true);
  deepEqual(idsAlone(), []);
});

test("who is answered by `unavailable` is asked again, once", bounded, async () => {
  const { results, stream, idsAlone } = await openThree();
  stream.say(answered(1, 11), failed(2, "unavailable"), answered(0, 10));
  deepEqual(await Promise.all(results), [10, 11, 12]);
  deepEqual(idsAlone(), [12]);
});

for (const [what, end, fault, again] of [
  ["is overloaded", "overloaded", "overloaded", []],
  ["is internal", "internal", "internal", []],
  ["is one request's mistake", "invalid", undefined, [10, 12]],
  ["is nobody's, of a peer that has gone", "unavailable", undefined, [10, 12]],
  ["is nobody's, of a peer that knows no streams", "unsupported", undefined, [10, 12]],
  ["is nobody's", undefined, undefined, [10, 12]],
] as const) {
  test(`a stream whose end ${what} settles those without an answer`, bounded, async () => {
    const { results, stream, idsAlone } = await openThree();
    stream.say(answered(1, 11));
    if (end === undefined) stream.end();
    else stream.fail(new MeshError(end, "all"));
    const faults = await Promise.all(results.map(faultOf));
    deepEqual(faults, [fault, undefined, fault]);
    deepEqual(idsAlone(), again);
  });
}

for (const end of ["answers", "failure"] as const) {
  test(`after ${end} nothing listens to the callers' signals`, bounded, async () => {
    const { ask, streamOf } = open();
    const signals = [new AbortController().signal, new AbortController().signal];
    const results = signals.map((signal, at) => ask(requestOf(10 + at), callContext({ signal })));
    const settled = Promise.all(results.map(faultOf));
    await turn();
    await turn();
    if (end === "failure") streamOf().fail(new MeshError("internal", "no"));
    else streamOf().say(answered(0, 10), answered(1, 11));
    await settled;
    await turn();
    deepEqual(
      signals.map((signal) => getEventListeners(signal, "abort").length),
      [0, 0],
    );
  });
}

async function faultOf(result: Promise<unknown>): Promise<Fault | undefined> {
  try {
    await result;
    return undefined;
  } catch (thrown) {
    return toMeshError(thrown).fault;
  }
}
