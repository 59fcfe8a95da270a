import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { FakeClock } from "../fake-clock.js";
import { inLists } from "./span-batch.js";
import { flushMsMax, SpanQueue, type SpanQueueOptions } from "./span-queue.js";

test("spans wait for others, then go out together", async () => {
  const { clock, queue, exports, counts } = setUp();
  queue.add(spans("a", 2));
  queue.add(spans("b", 1));
  await clock.moveTo(99);
  equal(exports.length, 0);
  await clock.moveTo(100);
  deepEqual(namesOf(exports[0]?.spans), ["a0", "a1", "b0"]);
  exports[0]?.succeed();
  await turn();
  deepEqual(counts, { exported: 3, failed: 0, dropped: 0 });
});

test("a full batch goes at once, one after the other, and no trace is divided", async () => {
  const { queue, exports } = setUp({ batchSpansMax: 5 });
  queue.add(spans("a", 3));
  equal(exports.length, 0);
  queue.add(spans("b", 3));
  queue.add(spans("c", 7));
  queue.add(spans("d", 1));
  equal(exports.length, 1);
  for (const expected of ["a", "b", "c"]) {
    const { spans: sent, succeed } = exports.at(-1) ?? fail();
    deepEqual([...new Set(namesOf(sent).map(([letter]) => letter))], [expected]);
    succeed();
    await turn();
  }
  // The last is too small for a batch, and waits.
  equal(exports.length, 3);
});

test("what does not fit is dropped as a whole and counted; what waits stays", async () => {
  const { clock, queue, exports, counts, warnings } = setUp({ queueSpansMax: 10 });
  queue.add(spans("a", 8));
  queue.add(spans("b", 3));
  queue.add(spans("c", 2));
  deepEqual(counts, { exported: 0, failed: 0, dropped: 3 });
  equal(warnings.length, 1);
  await clock.moveTo(100);
  equal(exports[0]?.spans.length, 10);
});

test("an exporter that hangs delays nobody, holds no more than its bound, and is left after its time", async () => {
  const { clock, queue, exports, counts } = setUp({ queueSpansMax: 10, exportMsMax: 1_000 });
  for (let i = 0; i < 1_000; i += 1) queue.add(spans("a", 1));
  deepEqual(counts, { exported: 0, failed: 0, dropped: 990 });
  await clock.moveTo(100);
  for (let i = 0; i < 1_000; i += 1) queue.add(spans("b", 1));
  deepEqual(counts, { exported: 0, failed: 0, dropped: 1_980 });
  await clock.moveTo(1_100);
  equal(counts.failed, 10);
  await clock.moveTo(1_200);
  equal(exports.length, 2);
  // Its late answer changes nothing.
  exports[0]?.succeed();
  await turn();
  equal(counts.exported, 0);
});

test("an exporter that fails or throws is told about, and the next export tries again", async () => {
  const { clock, queue, exports, counts, warnings, exporter } = setUp();
  queue.add(spans("a", 1));
  await clock.moveTo(100);
  exports[0]?.fail("HTTP 503");
  await turn();
  exporter.export = () => {
    throw new Error("a bug");
  };
  queue.add(spans("b", 2));
  await clock.moveTo(200);
  deepEqual(counts, { exported: 0, failed: 3, dropped: 0 });
  deepEqual(warnings, ["HTTP 503", "a bug"]);
});

test("the end sends what is left, takes no more, and shuts the exporter down", async () => {
  const { queue, exports, counts, wasShutDown } = setUp({ batchSpansMax: 2 });
  queue.add(spans("a", 1));
  const ended = queue.shutdown();
  queue.add(spans("late", 1));
  await turn();
  deepEqual(
    exports.flatMap(({ spans: sent }) => namesOf(sent)),
    ["a0"],
  );
  exports[0]?.succeed();
  await ended;
  deepEqual(counts, { exported: 1, failed: 0, dropped: 1 });
  ok(wasShutDown());
});

test("the end does not wait for an exporter that hangs", async () => {
  const { clock, queue, counts } = setUp({ batchSpansMax: 2 });
  for (let i = 0; i < 6; i += 1) queue.add(spans("a", 1));
  let hasEnded = false;
  const ended = queue.shutdown().then(() => {
    hasEnded = true;
  });
  await clock.moveTo(flushMsMax - 1);
  equal(hasEnded, false);
  await clock.moveTo(flushMsMax);
  await ended;
  // Two are on their way, and nobody knows what became of them.
  equal(counts.dropped, 4);
});

test("of spans made by OpenTelemetry's API the sampled ones go out", async () => {
  const { clock, queue, exports } = setUp();
  for (const span of [...spans("a", 1), ...spans("b", 1, 0)]) queue.onEnd(span);
  await clock.moveTo(100);
  deepEqual(namesOf(exports[0]?.spans), ["a0"]);
});

function setUp(over: Partial<SpanQueueOptions> = {}) {
  const clock = new FakeClock();
  const counts = { exported: 0, failed: 0, dropped: 0 };
  const warnings: string[] = [];
  const exports: {
    readonly spans: readonly ReadableSpan[];
    readonly succeed: () => void;
    readonly fail: (reason: string) => void;
  }[] = [];
  let isShut = false;
  const exporter: SpanExporter = {
    export(sent, done: (result: ExportResult) => void) {
      exports.push({
        spans: sent,
        succeed: () => done({ code: ExportResultCode.SUCCESS }),
        fail: (reason) => done({ code: ExportResultCode.FAILED, error: new Error(reason) }),
      });
    },
    async shutdown() {
      isShut = true;
    },
  };
  const queue = new SpanQueue({
    ...{ exporter: inLists(exporter), clock, waitMsMax: 100, exportMsMax: 30_000 },
    ...{ queueSpansMax: 100, batchSpansMax: 50 },
    count(outcome, amount) {
      counts[outcome] += amount;
    },
    warn: (reason) => void warnings.push(reason),
    ...over,
  });
  return { clock, queue, exporter, exports, counts, warnings, wasShutDown: () => isShut };
}

function spans(name: string, count: number, traceFlags = 1): ReadableSpan[] {
  const context = { traceId: "1".repeat(32), spanId: "1".repeat(16), traceFlags };
  return Array.from({ length: count }, (_, index) => {
    // The queue reads nothing else of a span.
    return { name: `${name}${index}`, spanContext: () => context } as ReadableSpan;
  });
}

function namesOf(sent: readonly ReadableSpan[] = []): string[] {
  return sent.map(({ name }) => name);
}

function fail(): never {
  throw new Error("nothing was exported");
}
