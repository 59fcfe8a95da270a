import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { defaultResource } from "@opentelemetry/resources";
import { MeshError } from "../errors.js";
import { FakeClock } from "../fake-clock.js";
import { fakeTracing } from "./fake-tracing.js";
import { spansMax } from "./local-trace.js";
import { toReadableSpan } from "./readable-span.js";
import { RecordedSpan } from "./recorded-span.js";
import { WallTime } from "./wall-time.js";

test("spans of a sampled request go out together, parents first, when its outermost has ended", () => {
  const tracing = fakeTracing(new FakeClock());
  const outermost = tracing.begin().begin("outermost");
  const inner = outermost.begin("inner");
  inner.begin("innermost").end();
  inner.end();
  equal(tracing.exported.length, 0);
  outermost.end();
  deepEqual(
    tracing.exported.map(({ name }) => name),
    ["outermost", "inner", "innermost"],
  );
});

test("what ends after the outermost follows by itself", () => {
  const tracing = fakeTracing(new FakeClock());
  const outermost = tracing.begin().begin("outermost");
  const late = outermost.begin("late");
  outermost.end();
  late.end();
  late.end();
  deepEqual(
    tracing.exported.map(({ name }) => name),
    ["outermost", "late"],
  );
});

test("a request that was not sampled leaves nothing", () => {
  const tracing = fakeTracing(new FakeClock());
  const outermost = tracing.begin({ isSampled: false }).begin("outermost");
  const late = outermost.begin("late");
  outermost.end(new MeshError("invalid", "the caller's mistake"));
  late.end();
  equal(tracing.exported.length, 0);
});

test("a request that failed, was slow, or is kept elsewhere is kept though it was not sampled", () => {
  const clock = new FakeClock();
  const endings = [
    (span: ReturnType<typeof begin>) => span.end(new MeshError("unavailable", "")),
    (span: ReturnType<typeof begin>) => {
      void clock.moveTo(clock.nowMs() + 1_000);
      span.end();
    },
    (span: ReturnType<typeof begin>) => {
      span.keep();
      span.end();
    },
  ];
  const tracing = fakeTracing(clock);
  const begin = () => tracing.begin({ isSampled: false }).begin("outermost");
  for (const end of endings) {
    const span = begin();
    equal(span.isSampled, false);
    end(span);
    equal(tracing.exported.splice(0).length, 1);
    ok(span.isSampled);
  }
});

test("of many failures only so many are kept as may be", () => {
  let left = 2;
  const tracing = fakeTracing(new FakeClock(), {
    mayKeepUnsampled: () => {
      left -= 1;
      return left >= 0;
    },
  });
  for (let i = 0; i < 5; i += 1) {
    tracing.begin({ isSampled: false }).begin("call").end(new MeshError("internal", ""));
  }
  equal(tracing.exported.length, 2);
});

test("shared work is a trace of its own, linked both ways, and kept when one of those that share it is", () => {
  const clock = new FakeClock();
  const tracing = fakeTracing(clock);
  const lost = tracing.begin({ isSampled: false }).begin("lost");
  const kept = tracing.begin({ isSampled: false }).begin("kept");
  const batch = lost.beginShared("batch");
  lost.share(batch);
  kept.share(batch);
  batch.begin("run").end();
  batch.end();
  lost.end();
  equal(tracing.exported.length, 0);
  kept.end(new MeshError("internal", ""));
  deepEqual(tracing.exported.map(({ name }) => name).sort(), ["batch", "kept", "run"]);
  const [exported] = tracing.exported.filter(({ name }) => name === "batch");
  deepEqual(
    exported?.links.map((link) => link.traceId),
    [lost.traceId, kept.traceId],
  );
  ok(batch.traceId !== kept.traceId);
});

test("a shared trace goes out at its end when a sampled request shares it", () => {
  const tracing = fakeTracing(new FakeClock());
  const request = tracing.begin().begin("request");
  const batch = request.beginShared("batch");
  request.share(batch);
  batch.end();
  deepEqual(
    tracing.exported.map(({ name }) => name),
    ["batch"],
  );
});

test("spans beyond the bound are counted", () => {
  const tracing = fakeTracing(new FakeClock());
  const whole = tracing.begin();
  const outermost = whole.begin("outermost");
  for (let i = 0; i < spansMax + 4; i += 1) outermost.begin("child").end();
  outermost.end();
  equal(tracing.exported.length, spansMax);
  equal(whole.droppedCount, 5);
});

test("what begins below a span too many hangs on the last that is held", () => {
  const tracing = fakeTracing(new FakeClock());
  const outermost = tracing.begin().begin("outermost");
  for (let i = 1; i < spansMax; i += 1) outermost.begin("child").end();
  const held = outermost.toSpanContext();
  const unheld = outermost.begin("too many");
  const below = unheld.begin("below");
  deepEqual(below.toSpanContext(), held);
  const shared = below.beginShared("shared");
  below.share(shared);
  shared.end();
  below.end();
  unheld.end();
  outermost.end();
  equal(tracing.exported.filter(({ name }) => name === "below" || name === "too many").length, 0);
  const [exported] = tracing.exported.filter(({ name }) => name === "shared");
  deepEqual(exported?.links, [outermost]);
});

test("a trace that was let go is not kept later, when the parents of what is left are gone", () => {
  const tracing = fakeTracing(new FakeClock());
  const outermost = tracing.begin({ isSampled: false }).begin("outermost");
  const late = outermost.begin("late");
  outermost.end();
  late.keep();
  late.end();
  equal(tracing.exported.length, 0);
});

test("a span that outlives its parents is shown until the first of them ends, and says so", async () => {
  const clock = new FakeClock();
  const outermost = fakeTracing(clock).begin().begin("outermost");
  const parent = outermost.begin("parent");
  const child = parent.begin("child");
  await clock.moveTo(10);
  outermost.end();
  const late = parent.begin("late");
  await clock.moveTo(25);
  for (const span of [late, child, parent]) span.end();
  const wallTime = new WallTime(clock, 0);
  const shown = [parent, child, late].map((span) => {
    ok(span instanceof RecordedSpan);
    const { startTime, endTime, attributes } = toReadableSpan(span, wallTime, defaultResource());
    return [startTime[1] / 1e6, endTime[1] / 1e6, attributes["arrowmesh.outlived_parent_ms"]];
  });
  deepEqual(shown, [
    [0, 10, 15],
    [0, 10, 15],
    [10, 10, 15],
  ]);
});

test("a caller outside who keeps nothing is no parent; a role of the mesh is", () => {
  const tracing = fakeTracing(new FakeClock());
  const caller = { traceId: "a".repeat(32), spanId: "b".repeat(16), traceFlags: 0 };
  const origin = trace.setSpanContext(ROOT_CONTEXT, caller);
  equal(tracing.begin({ origin }).caller, undefined);
  deepEqual(tracing.begin({ origin, isCallerInMesh: true }).caller, caller);
  const sampled = { ...caller, traceFlags: 1 };
  deepEqual(tracing.begin({ origin: trace.setSpanContext(ROOT_CONTEXT, sampled) }).caller, sampled);
});

test("an exemplar names a trace that will be found", () => {
  const clock = new FakeClock();
  const span = fakeTracing(clock).begin({ isSampled: false }).begin("call");
  equal(span.exemplarId(), undefined);
  equal(span.exemplarId(new MeshError("limited", "")), undefined);
  equal(span.exemplarId(new MeshError("internal", "")), span.traceId);
  void clock.moveTo(1_000);
  equal(span.exemplarId(), span.traceId);
});

test("a role whose caller tries another replica, or has left, keeps nothing of its own accord", async () => {
  const clock = new FakeClock();
  const tracing = fakeTracing(clock);
  const caller = { traceId: "a".repeat(32), spanId: "b".repeat(16), traceFlags: 0 };
  const origin = trace.setSpanContext(ROOT_CONTEXT, caller);
  for (const [fault, isCallerInMesh, exported] of [
    ["unavailable", true, 0],
    ["cancelled", true, 0],
    ["internal", true, 1],
    ["deadline", true, 1],
    ["unavailable", false, 1],
    ["cancelled", false, 1],
  ] as const) {
    const span = tracing.begin({ origin, isSampled: false, isCallerInMesh }).begin("call");
    await clock.moveTo(clock.nowMs() + 1_000);
    span.end(new MeshError(fault, ""));
    equal(tracing.exported.splice(0).length, exported, fault);
  }
});
