import { equal } from "node:assert/strict";
import { test } from "node:test";
import { TraceState } from "@opentelemetry/core";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { seeded } from "../../../test/support/random.js";
import { encodeSpans } from "./encode-spans.js";

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
    equal(Buffer.from(encodeSpans(spans)).toString("hex"), Buffer.from(expected).toString("hex"));
  }
});

test("what was encoded stays as it is when the next is", () => {
  const random = { int: () => 1, pick: <T>(items: readonly T[]) => items[1] as T };
  const resource = resourceFromAttributes({});
  const span = randomSpan(random, { resource, instrumentationScope: { name: "a" } });
  const first = encodeSpans([span]);
  const before = Buffer.from(first).toString("hex");
  encodeSpans([span, span, span]);
  equal(Buffer.from(first).toString("hex"), before);
});

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
