import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import { test } from "node:test";
import { traceSpan } from "../../test/support/trace-span.js";
import { drawTrace } from "./draw-trace.js";
import { traceJson } from "./trace-json.js";
import { growTree } from "./trace-tree.js";

const plain = { isColoured: false, isFull: false };
const batch = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7" };
const startUs = Date.UTC(2026, 0, 2, 3, 4, 5, 678) * 1_000;
const request = growTree([
  traceSpan("a1", undefined, {
    name: "POST /embed",
    startUs,
    durationUs: 12_000,
    attributes: {
      "http.response.status_code": 200,
      "user_agent.original": "curl",
      "arrowmesh.request_id": "r-1",
    },
  }),
  traceSpan("b1", "a1", {
    name: "tokenization",
    startUs: startUs + 500,
    durationUs: 250,
    attributes: { "gen_ai.usage.input_tokens": 17 },
  }),
  traceSpan("b2", "a1", { name: "predict", startUs: startUs + 1_000, durationUs: 10_000 }),
  traceSpan("c1", "b2", {
    service: "arrowmesh-inference",
    name: "model_inference",
    startUs: startUs + 6_000,
    durationUs: 5_000,
    attributes: {
      "arrowmesh.batch.size": 8,
      "arrowmesh.batch.padding_ratio": 0.12345678,
      "arrowmesh.request_id": "r-1",
    },
    links: [batch],
  }),
]);

test("a trace is drawn as a tree, with times, bars, what is telling, and links", () => {
  equal(
    drawTrace(request, plain),
    `trace 0af7651916cd43dd8448eb211c80319c
2026-01-02T03:04:05.678Z, 12.00 ms, 4 spans, 2 services

SERVICE              SPAN                       AT ms   TAKES ms
arrowmesh-gateway    POST /embed                 0.00      12.00  ████████████████████████  status=200 request_id=r-1
arrowmesh-gateway    ├─ tokenization             0.50       0.25   █                        tokens=17
arrowmesh-gateway    └─ predict                  1.00      10.00    ████████████████████
arrowmesh-inference     └─ model_inference       6.00       5.00              ██████████    batch.size=8 batch.padding_ratio=0.123457
                              -> batch 4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7
`,
  );
});

test("all attributes are shown when asked for, and the span that was named is pointed at", () => {
  const drawing = drawTrace(request, { isColoured: false, isFull: true, spanId: "b1" });
  match(drawing, /http\.response\.status_code=200 user_agent\.original=curl /m);
  match(drawing, /tokenization .* gen_ai\.usage\.input_tokens=17 {2}<== this span$/m);
  equal(drawing.match(/<==/g)?.length, 1);
});

test("failures say why, what happened stands at its time, and what Jaeger warns of is told", () => {
  const drawing = drawTrace(
    growTree([
      traceSpan("a1", undefined, {
        isError: true,
        attributes: { "error.type": "unavailable", "otel.status_description": "no peers" },
        events: [
          { atUs: 1_000_250, name: "retry", attributes: {} },
          { atUs: 1_000_500, name: "exception", attributes: { "exception.message": "gone" } },
        ],
        warnings: ["clock skew", "invalid parent span IDs=f00d; skipping clock skew adjustment"],
      }),
    ]),
    plain,
  );
  match(drawing, /, 1\.00 ms, 1 span, 1 service, 1 error\n/);
  match(drawing, / error=unavailable\n +error: no peers\n +\* 0\.25 ms retry\n/);
  match(drawing, /\n +\* 0\.50 ms exception: gone\n +! Jaeger: clock skew\n$/);
});

test("links from a batch lead to its requests, and no more are shown than a person reads", () => {
  const links = Array.from({ length: 100 }, () => batch);
  const drawing = drawTrace(
    growTree([traceSpan("a1", undefined, { name: "batch", links })]),
    plain,
  );
  equal(
    drawing.match(/-> request 4bf92f3577b34da6a3ce929d0e0e4736\/00f067aa0ba902b7$/gm)?.length,
    64,
  );
  match(drawing, /-> and 36 more; --json has all\n$/);
});

test("what is wrong with the shape of a trace stands above it", () => {
  const drawing = drawTrace(growTree([traceSpan("a1"), traceSpan("b1", "f00d")]), plain);
  match(drawing, /\n! 2 roots instead of one\n! span b1 \(span b1\): its parent f00d is not here/);
});

test("what others wrote commands no terminal and breaks no line", () => {
  const evil = "\u001b[2Jx\r\n\u202e\u2028y";
  const spans = [
    traceSpan("a1", undefined, {
      isError: true,
      name: evil,
      service: evil,
      attributes: { "error.type": evil, "otel.status_description": evil },
      events: [{ atUs: 0, name: evil, attributes: { "exception.message": evil } }],
      warnings: [evil],
    }),
    traceSpan("b1", "f00d", { name: evil }),
  ];
  for (const isFull of [false, true]) {
    const drawing = drawTrace(growTree(spans), { isColoured: false, isFull });
    doesNotMatch(drawing.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Zl}]/u);
    match(drawing, /\\u\{1b\}\[2Jx\\u\{d\}\\u\{a\}\\u\{202e\}\\u\{2028\}y/);
  }
});

test("colours are drawn for terminals only", () => {
  equal(drawTrace(request, plain).includes("\u001b"), false);
  const drawing = drawTrace(request, { ...plain, isColoured: true });
  equal(drawing.includes("\u001b[36marrowmesh-gateway  \u001b[0m"), true);
});

test("deep chains and spans without a length are drawn in lines of bounded length", () => {
  const chain = Array.from({ length: 3_000 }, (_, index) =>
    traceSpan(`${index}`, index === 0 ? undefined : `${index - 1}`, { durationUs: 0 }),
  );
  const lines = drawTrace(growTree(chain), plain).split("\n");
  equal(lines.length, 3_000 + 5);
  equal(Math.max(...lines.map((line) => line.length)) < 250, true);
});

test("as JSON, a trace has its spans from top to bottom, with all that is known of them", () => {
  const json = JSON.parse(traceJson(request));
  deepEqual(Object.keys(json), ["traceId", "startUs", "durationUs", "problems", "roots", "spans"]);
  deepEqual(json.roots, [{ spanId: "a1", kind: "begins" }]);
  deepEqual(
    json.spans.map((span: { depth: number; name: string }) => [span.depth, span.name]),
    [
      [0, "POST /embed"],
      [1, "tokenization"],
      [1, "predict"],
      [2, "model_inference"],
    ],
  );
  deepEqual(json.spans[3].links, [batch]);
  equal(json.spans[3].atUs, 6_000);
});
