import { equal } from "node:assert/strict";
import { test } from "node:test";
import { TraceState } from "@opentelemetry/core";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { seeded } from "../../../test/support/random.js";
import { MeshError } from "../../errors.js";
import { FakeClock } from "../../fake-clock.js";
import { fakeTracing } from "../fake-tracing.js";
import { toReadableSpan } from "../readable-span.js";
import { WallTime } from "../wall-time.js";
import { TraceRequest } from "./trace-request.js";

type Seeded = ReturnType<typeof seeded>;

const texts = [
  "",
  "a",
  "rpc.method",
  "ü€😀",
  "x".repeat(42),
  "é".repeat(42),
  "y".repeat(127),
  "ü".repeat(9_000),
];
const numbers = [
  0,
  1,
  127,
  128,
  -1,
  0.5,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 63,
  -(2 ** 63),
  1e300,
  Number.NaN,
];

test("the bytes are those of OpenTelemetry's own serializer, whatever the spans", (t) => {
  const random = seeded(t);
  const resources = [resourceFromAttributes({ "service.name": "a" }), resourceFromAttributes({})];
  const scopes = [{ name: "arrowmesh" }, { name: "other", version: "1", schemaUrl: "https://s" }];
  for (let round = 0; round < 500; round += 1) {
    const spans = Array.from({ length: random.int(12) }, () => {
      const resource = random.pick(resources);
      return randomSpan(random, { resource, instrumentationScope: random.pick(scopes) });
    });
    const expected = ProtobufTraceSerializer.serializeRequest(spans) ?? new Uint8Array();
    equal(hexOf(toRequest(spans)), Buffer.from(expected).toString("hex"));
  }
});

/** Always the same. */
const fixed = { int: () => 1, pick: <T>(items: readonly T[]) => items[1] as T };

test("what was encoded stays as it is when the next is, and several grow at once", () => {
  const resource = resourceFromAttributes({});
  const span = randomSpan(fixed, { resource, instrumentationScope: { name: "a" } });
  const [one, three] = [new TraceRequest(), new TraceRequest()];
  for (let i = 0; i < 3; i += 1) {
    if (i === 1) one.add([span]);
    three.add([span]);
  }
  const bytes = one.finish();
  const before = Buffer.from(bytes).toString("hex");
  equal(before, hexOf(toRequest([span])));
  equal(hexOf(three), hexOf(toRequest([span, span, span])));
  equal(Buffer.from(bytes).toString("hex"), before);
});

test("spans that tell their attributes are encoded as those that have them", async () => {
  const clock = new FakeClock();
  const tracing = fakeTracing(clock);
  const facts = { "rpc.method": "a.B/C", numbers: [1, 2] };
  const outermost = tracing.begin().begin("outermost", { kind: "server" });
  for (let i = 0; i < 3; i += 1) {
    const span = outermost.begin("inner");
    span.set("index", i);
    span.describe(facts);
    span.set("is_first", i === 0);
    await clock.moveTo(clock.nowMs() + 1);
    span.end(i === 0 ? undefined : new MeshError("internal", "a bug"));
  }
  const late = outermost.begin("late");
  outermost.end();
  await clock.moveTo(clock.nowMs() + 20);
  late.end();
  const [wallTime, resource] = [new WallTime(clock, 1_795_000_000_000), resourceFromAttributes({})];
  const spans = tracing.exported.map((span) => toReadableSpan(span, wallTime, resource));
  equal(spans.length, 5);
  const expected = ProtobufTraceSerializer.serializeRequest(spans) ?? new Uint8Array();
  for (let round = 0; round < 2; round += 1) {
    equal(hexOf(toRequest(spans)), Buffer.from(expected).toString("hex"));
  }
});

test("a request of megabytes is whole, and so is the next", () => {
  const resource = resourceFromAttributes({});
  const span = {
    ...randomSpan(fixed, { resource, instrumentationScope: { name: "a" } }),
    attributes: { long: "x".repeat(100_000) },
  };
  const many = Array.from({ length: 40 }, () => span);
  for (const spans of [many, [span]]) {
    const expected = ProtobufTraceSerializer.serializeRequest(spans) ?? new Uint8Array();
    equal(hexOf(toRequest(spans)), Buffer.from(expected).toString("hex"));
  }
});

/** The spans come in turns, as those of requests do. */
function toRequest(spans: readonly ReadableSpan[]): TraceRequest {
  const request = new TraceRequest();
  for (const span of spans) request.add([span]);
  return request;
}

function hexOf(request: TraceRequest): string {
  return Buffer.from(request.finish()).toString("hex");
}

function randomSpan(
  random: Seeded,
  of: Pick<ReadableSpan, "resource" | "instrumentationScope">,
): ReadableSpan {
  const context = randomContext(random);
  return {
    ...of,
    name: random.pick(texts),
    kind: random.int(5),
    spanContext: () => context,
    ...(random.int(2) === 1 && { parentSpanContext: randomContext(random) }),
    startTime: randomTime(random),
    endTime: randomTime(random),
    duration: [0, 1],
    ended: true,
    status: { code: random.int(3), message: random.pick(texts) },
    attributes: randomAttributes(random),
    links: Array.from({ length: random.int(3) }, () => ({
      context: randomContext(random),
      attributes: randomAttributes(random),
      droppedAttributesCount: random.int(300),
    })),
    events: Array.from({ length: random.int(3) }, () => ({
      name: random.pick(texts),
      time: randomTime(random),
      attributes: randomAttributes(random),
    })),
    droppedAttributesCount: random.int(300),
    droppedEventsCount: random.int(300),
    droppedLinksCount: random.int(300),
  };
}

function randomContext(random: Seeded) {
  const digits = (count: number): string =>
    Array.from({ length: count }, () => random.int(16).toString(16)).join("");
  return {
    ...{ traceId: digits(32), spanId: digits(16), traceFlags: random.int(2) },
    ...(random.int(2) === 1 && { isRemote: true }),
    ...(random.int(3) === 1 && { traceState: new TraceState("vendor=1") }),
  };
}

function randomTime(random: Seeded): [number, number] {
  return [random.pick([0, 1, 65_535, 65_536, 1_795_000_000, 4_294_967_296]), random.int(1e9)];
}

function randomAttributes(random: Seeded) {
  const value = () =>
    random.pick([random.pick(texts), random.pick(numbers), true, false, ["a", "ü"], [1, 2.5], []]);
  return Object.fromEntries(
    Array.from({ length: random.int(5) }, () => [random.pick(texts), value()]),
  );
}
