import { deepEqual, doesNotThrow, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import {
  type Context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  trace,
} from "@opentelemetry/api";
import { seeded } from "../../test/support/random.js";
import { createPropagator, type FormatName } from "./propagator.js";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const otherId = "c".repeat(32);
const standard = ["tracecontext", "baggage", "jaeger"] as const;

type Headers = Readonly<Record<string, string | string[]>>;

function extract(headers: Headers, names: readonly FormatName[] = standard): Context {
  return createPropagator(names).extract(ROOT_CONTEXT, headers, {
    keys: (carrier) => Object.keys(carrier),
    get: (carrier, key) => carrier[key],
  });
}

function inject(context: Context, names: readonly FormatName[] = standard) {
  const headers: Record<string, string> = {};
  createPropagator(names).inject(context, headers, {
    set(carrier, key, value) {
      carrier[key] = value;
    },
  });
  return headers;
}

/** Headers that bring a trace, and which. */
const accepted: Readonly<Record<string, readonly [Headers, Partial<SpanContext>]>> = {
  "W3C, sampled": [
    { traceparent: `00-${traceId}-${spanId}-01` },
    { traceId, spanId, traceFlags: 1 },
  ],
  "W3C, not sampled": [{ traceparent: `00-${traceId}-${spanId}-00` }, { traceFlags: 0 }],
  "W3C of a later version": [{ traceparent: `cc-${traceId}-${spanId}-01-more` }, { traceId }],
  "W3C in an array": [{ traceparent: [`00-${traceId}-${spanId}-01`] }, { traceId }],
  Jaeger: [{ "uber-trace-id": `${traceId}:${spanId}:0:1` }, { traceId, spanId, traceFlags: 1 }],
  "Jaeger, not sampled": [{ "uber-trace-id": `${traceId}:${spanId}:0:0` }, { traceFlags: 0 }],
  "Jaeger, for debugging": [{ "uber-trace-id": `${traceId}:${spanId}:0:2` }, { traceFlags: 1 }],
  "Jaeger with short ids": [
    { "uber-trace-id": "ABC:1f:0:1" },
    { traceId: "abc".padStart(32, "0"), spanId: "1f".padStart(16, "0") },
  ],
  "Jaeger with encoded colons": [
    { "uber-trace-id": `${traceId}%3A${spanId}%3a0%3A1` },
    { traceId, spanId, traceFlags: 1 },
  ],
  "Jaeger with a parent": [{ "uber-trace-id": `${traceId}:${spanId}:${spanId}:01` }, { traceId }],
  "both that differ: the first format counts": [
    { traceparent: `00-${traceId}-${spanId}-00`, "uber-trace-id": `${otherId}:1:0:1` },
    { traceId, spanId, traceFlags: 0 },
  ],
  "a malformed one beside a good one": [
    { traceparent: "00-malformed", "uber-trace-id": `${otherId}:1:0:1` },
    { traceId: otherId, traceFlags: 1 },
  ],
  "a good one beside a malformed one": [
    { traceparent: `00-${traceId}-${spanId}-01`, "uber-trace-id": "x:y:z:1" },
    { traceId },
  ],
};

for (const [name, [headers, expected]] of Object.entries(accepted)) {
  test(`a trace is taken from ${name}`, () => {
    const found = trace.getSpanContext(extract(headers));
    ok(found);
    for (const key of Object.keys(expected) as (keyof SpanContext)[]) {
      equal(found[key], expected[key], key);
    }
  });
}

const malformed: readonly Headers[] = [
  {},
  { traceparent: "" },
  { traceparent: `ff-${traceId}-${spanId}-01` },
  { traceparent: `00-${"0".repeat(32)}-${spanId}-01` },
  { traceparent: `00-${traceId}-${"0".repeat(16)}-01` },
  { traceparent: `00-${traceId}-${spanId}-01-more` },
  { traceparent: `00-${traceId.slice(1)}-${spanId}-01` },
  { traceparent: `00-${traceId}0-${spanId}-01` },
  { traceparent: `00-${traceId}-${spanId}` },
  { traceparent: `00-${traceId.toUpperCase()}-${spanId}-01` },
  { traceparent: [] },
  { "uber-trace-id": "" },
  { "uber-trace-id": traceId },
  { "uber-trace-id": ":::" },
  { "uber-trace-id": "0:0:0:1" },
  { "uber-trace-id": `${traceId}:0:0:1` },
  { "uber-trace-id": `0:${spanId}:0:1` },
  { "uber-trace-id": `${traceId}0:${spanId}:0:1` },
  { "uber-trace-id": `${traceId}:${spanId}0:0:1` },
  { "uber-trace-id": `${traceId}:${spanId}:0:x` },
  { "uber-trace-id": `${traceId}:${spanId}:0` },
  { "uber-trace-id": `${"%zz".repeat(10)}:1:0:1` },
  { "uber-trace-id": "1".repeat(1e6) },
  { tracestate: "a=1" },
];

test("what is malformed is no trace, and no error", () => {
  for (const headers of malformed) {
    equal(trace.getSpanContext(extract(headers)), undefined, JSON.stringify(headers).slice(0, 90));
  }
});

test("whatever stands in the headers, a trace that is found is valid and can be sent on", (t) => {
  const random = seeded(t);
  const pieces = [
    traceId,
    spanId,
    "00",
    "01",
    "ff",
    "-",
    ":",
    "%3A",
    "%",
    ",",
    "=",
    ";",
    "ü",
    " ",
    "0",
  ];
  const pick = (): string => random.pick(pieces);
  const text = (): string => Array.from({ length: random.int(9) }, pick).join("");
  const names = ["traceparent", "tracestate", "baggage", "uber-trace-id", "b3", "x-b3-traceid"];
  const all = ["tracecontext", "baggage", "jaeger", "b3", "b3multi"] as const;
  for (let round = 0; round < 20_000; round += 1) {
    const headers = Object.fromEntries(names.map((name) => [name, text()]));
    const found = extract(headers, all);
    const span = trace.getSpanContext(found);
    ok(span === undefined || isSpanContextValid(span), JSON.stringify(headers));
    doesNotThrow(() => sendByGrpc(found), JSON.stringify(headers));
  }
});

/** gRPC refuses keys and values that HTTP lets through. */
function sendByGrpc(context: Context): void {
  createPropagator(standard).inject(context, new Metadata(), {
    set: (carrier, key, value) => carrier.set(key, value),
  });
}

test("what others say in tracestate travels on, within its bound", () => {
  const traceparent = `00-${traceId}-${spanId}-01`;
  const small = extract({ traceparent, tracestate: "vendor=1,other=2" });
  equal(inject(small).tracestate, "vendor=1,other=2");
  const huge = extract({ traceparent, tracestate: `a=${"x".repeat(60_000)}` });
  ok((inject(huge).tracestate ?? "").length <= 512);
});

test("baggage travels on, within its bound, with and without a trace", () => {
  equal(inject(extract({ baggage: "user=a%20b,k=v;p=1" })).baggage, "user=a%20b,k=v;p=1");
  const pairs = Array.from({ length: 500 }, (_, index) => `key${index}=${"v".repeat(200)}`);
  ok((inject(extract({ baggage: pairs.join() })).baggage ?? "").length <= 8_192);
  // No gRPC call could carry it.
  equal(inject(extract({ baggage: "k=v;p=\u00fc" })).baggage, undefined);
});

test("all formats that are named are sent, and no other", () => {
  const context = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1 });
  deepEqual(inject(context), {
    traceparent: `00-${traceId}-${spanId}-01`,
    "uber-trace-id": `${traceId}:${spanId}:0:1`,
  });
  deepEqual(Object.keys(inject(context, ["b3"])), ["b3"]);
  ok("x-b3-traceid" in inject(context, ["b3multi"]));
  deepEqual(inject(context, ["none"]), {});
  deepEqual(createPropagator(["b3", "jaeger"]).fields(), ["b3", "uber-trace-id"]);
  equal(propagation.getBaggage(extract({ baggage: "a=b" }, ["jaeger"])), undefined);
});

test("B3 is understood where it is named", () => {
  const single = extract({ b3: `${traceId}-${spanId}-1` }, ["b3"]);
  equal(trace.getSpanContext(single)?.traceId, traceId);
  const several = extract({ "x-b3-traceid": traceId, "x-b3-spanid": spanId, "x-b3-sampled": "1" }, [
    "b3multi",
  ]);
  equal(trace.getSpanContext(several)?.traceId, traceId);
});
