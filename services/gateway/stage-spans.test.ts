import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../lib/clock.js";
import { MeshError } from "../../lib/errors.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { fakeTracing } from "../../lib/tracing/fake-tracing.js";
import type { RecordedSpan } from "../../lib/tracing/recorded-span.js";
import { callContext } from "../../test/support/call-context.js";
import { createFakePath, order } from "./operations/fake-peers.js";

/** The gateway's path over other services that do as told, and requests whose spans are looked at when they end. */
function open() {
  const tracing = fakeTracing(systemClock);
  const path = createFakePath();
  const traced = async (work: (context: CallContext) => Promise<unknown>) => {
    const root = tracing.begin({ isSampled: true }).begin("request");
    const error = await work(callContext({ trace: root })).then(
      () => undefined,
      (thrown: MeshError) => thrown,
    );
    root.end(error);
    const spans = tracing.exported.filter(({ traceId }) => traceId === root.traceId);
    const one = (name: string): RecordedSpan => {
      const [span, ...others] = spans.filter((each) => each.name === name);
      ok(span && others.length === 0, `${name} among ${spans.map((each) => each.name)}`);
      return span;
    };
    return { error, one, failed: spans.filter((span) => span.error).map(({ name }) => name) };
  };
  return { ...path, traced, embed: path.operations.embed };
}

test("the stages of a request are below its work, in their order", async () => {
  const { traced, embed } = open();
  const { one } = await traced((context) => embed(order, context));
  const stages = ["limit_requests", "tokenization", "limit_tokens", "cache", "postprocessing"];
  const spans = stages.map(one);
  for (const span of spans) equal(span.parent, one("predict"));
  for (const [index, { startMs }] of spans.entries()) {
    ok(startMs >= (spans[index - 1]?.endMs ?? 0), `${spans[index]?.name}`);
  }
  equal(one("predict").attributes["gen_ai.usage.input_tokens"], 5);
  deepEqual(one("tokenization").attributes, { "arrowmesh.inputs": 2, "arrowmesh.tokens": 5 });
  deepEqual(one("limit_tokens").attributes, {
    "arrowmesh.limit.amount": 5,
    "arrowmesh.limit.allowed": true,
    "arrowmesh.limit.degraded": false,
  });
  deepEqual(one("cache").attributes, {
    "arrowmesh.cache.hits": 0,
    "arrowmesh.cache.misses": 2,
    "arrowmesh.cache.coalesced": 0,
  });
});

test("a refusal is the failure of the decision, with the rules that refused", async () => {
  const { peers, traced, embed } = open();
  peers.refuse = "tokens";
  const refused = await traced((context) => embed(order, context));
  equal(refused.error?.fault, "limited");
  deepEqual(refused.failed, ["request", "predict", "limit_tokens"]);
  const { attributes } = refused.one("limit_tokens");
  equal(attributes["arrowmesh.limit.allowed"], false);
  ok(Array.isArray(attributes["arrowmesh.limit.rules"]));
});

test("a computation that fails fails the lookup, and no stage before it", async () => {
  const { peers, traced, embed } = open();
  peers.fail = () => new MeshError("unavailable", "down");
  const { failed } = await traced((context) => embed(order, context));
  deepEqual(failed, ["request", "predict", "cache"]);
});

test("who waits for another's computation is linked to it, and keeps its trace", async () => {
  const { peers, operations } = open();
  const tracing = fakeTracing(systemClock);
  const [first, second] = [tracing.begin({ isSampled: false }), tracing.begin()].map((trace) =>
    trace.begin("request"),
  );
  ok(first && second);
  let release = (): void => {};
  peers.held = new Promise((resolve) => {
    release = resolve;
  });
  const calls = [first, second].map((trace) => operations.embed(order, callContext({ trace })));
  for (let i = 0; i < 5; i += 1) await new Promise(setImmediate);
  release();
  await Promise.all(calls);
  second.end();
  first.end();
  const lookups = tracing.exported.filter(({ name }) => name === "cache");
  const [own, waiting] = [first, second].map((request) =>
    lookups.find(({ traceId }) => traceId === request.traceId),
  );
  equal(waiting?.attributes["arrowmesh.cache.coalesced"], 2);
  deepEqual(waiting.links, [own]);
});

test("where nothing is traced, everything works", async () => {
  const { operations } = open();
  equal((await operations.embed(order, callContext())).vectors.length, 2);
  await rejects(operations.embed({ ...order, inputs: [] }, callContext()), { fault: "empty" });
});
