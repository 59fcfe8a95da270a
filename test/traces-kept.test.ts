// Which traces are kept: those that failed or were slow, whole, and no others.

import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gatewayOf, post, transportsOf } from "./support/clients.js";
import { type Mesh, startMesh } from "./support/mesh-process.js";
import { floats, onnxBytes } from "./support/onnx-builder.js";
import { type Collector, type Span, startCollector } from "./support/otlp-collector.js";
import { write } from "./support/tiny-models.js";

const exportMsMax = 20_000;
/** Spans that are wrongly kept would have come by then. */
const quietMs = 1_000;
const nothingSampled = {
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: "0",
};
const callerId = "b7ad6b7169203331";

/** Its table has four rows: an index of 9 fails when the model runs. */
const picky = onnxBytes({
  inputs: [{ name: "INPUT0", type: "int64", shape: ["batch"] }],
  outputs: [{ name: "OUTPUT0", type: "float32", shape: ["batch"] }],
  nodes: [{ op: "Gather", inputs: ["table", "INPUT0"], outputs: ["OUTPUT0"] }],
  initializers: [floats("table", [4], [1, 2, 3, 4])],
});

describe("four processes that sample nothing", { timeout: 180_000 }, () => {
  const root = mkdtempSync(join(tmpdir(), "arrowmesh-models-"));
  let collector: Collector;
  let mesh: Mesh;
  before(async () => {
    write(join(root, "picky/1"), { "model.onnx": picky });
    collector = await startCollector();
    mesh = await startMesh("four", {
      ...collector.env,
      ...nothingSampled,
      TRACE_SLOW_MS: "600000",
      MODEL_REPOSITORY: root,
    });
  });
  after(async () => {
    await mesh.stop();
    collector.close();
    rmSync(root, { recursive: true, force: true });
  });

  const infer = (index: number, headers = {}) => {
    const inputs = [{ name: "INPUT0", datatype: "INT64", shape: [1], data: [index] }];
    return post(`${mesh.url}/v2/models/picky/infer`, { inputs }, headers);
  };

  test("keep a request that failed within inference as one tree, and tell its caller the trace's id", async () => {
    const { status, headers } = await infer(9);
    equal(status, 500);
    const traceId = headers.get("x-trace-id") ?? "";
    const spans = await untilServices(collector, traceId, [
      "arrowmesh-gateway",
      "arrowmesh-inference",
    ]);
    equal(isOneTree(spans), "yes");
    ok(spans.some(({ attributes }) => attributes["error.type"] === "internal"));
  });

  test("keep nothing of ordinary requests, nor of the caller's own mistakes", async () => {
    await untilQuiet(collector);
    const before = collector.spans.length;
    equal((await infer(1)).status, 200);
    equal((await post(`${mesh.url}/embed`, { inputs: "ordinary" })).status, 200);
    notEqual((await post(`${mesh.url}/embed`, { inputs: "" })).status, 200);
    await sleep(quietMs);
    deepEqual(collector.spans.slice(before), []);
  });

  test("keep a failed request under its caller's trace id, as a root, when the caller keeps nothing", async () => {
    const traceId = "1".repeat(32);
    await infer(9, { traceparent: `00-${traceId}-${callerId}-00` });
    const spans = await untilServices(collector, traceId, [
      "arrowmesh-gateway",
      "arrowmesh-inference",
    ]);
    equal(isOneTree(spans), "yes");
    ok(!spans.some(({ parentSpanId }) => parentSpanId === callerId));
  });

  for (const protocol of ["gRPC", "Connect with Protobuf over HTTP/2", "gRPC-Web over HTTP/1.1"]) {
    test(`continue a sampled trace of Jaeger's header over ${protocol}`, async () => {
      const traceId = Buffer.from(protocol.padEnd(16, "~")).toString("hex").slice(0, 32);
      const transport = transportsOf(mesh.url)[protocol];
      ok(transport);
      const headers = { "uber-trace-id": `${traceId}:${callerId}:0:1` };
      let answered: Headers | undefined;
      await gatewayOf(transport).embed(
        { inputs: [`by ${protocol}`] },
        {
          headers,
          onHeader(header) {
            answered = header;
          },
        },
      );
      equal(answered?.get("x-trace-id"), traceId);
      const spans = await untilServices(collector, traceId, [
        "arrowmesh-gateway",
        "arrowmesh-inference",
      ]);
      equal(isOneTree(spans, callerId), "yes");
    });
  }

  test("answer whatever the trace headers hold, and leave what is malformed alone", async () => {
    const malformed = [
      { traceparent: "00-malformed", tracestate: "=,=", baggage: "=;=,", "uber-trace-id": "1:2" },
      { traceparent: `00-${"a".repeat(32)}-${callerId}-00`, tracestate: `a=${"b".repeat(8_000)}` },
      { baggage: `${"k".repeat(4_000)}=v`, "uber-trace-id": "%%%" },
      { baggage: "my!key=v;p=\u00fc,a-bin=b" },
    ];
    for (const [index, headers] of malformed.entries()) {
      equal((await post(`${mesh.url}/embed`, { inputs: `odd ${index}` }, headers)).status, 200);
    }
  });
});

test("a slow request of four processes is kept as one tree", { timeout: 120_000 }, async () => {
  const collector = await startCollector();
  const mesh = await startMesh("four", { ...collector.env, ...nothingSampled, TRACE_SLOW_MS: "1" });
  try {
    const inputs = Array.from({ length: 32 }, (_, index) =>
      `a text that is not short ${index} `.repeat(20),
    );
    const { headers } = await post(`${mesh.url}/embed`, { inputs, truncate: true });
    const traceId = headers.get("x-trace-id") ?? "";
    const spans = await untilServices(collector, traceId, [
      "arrowmesh-gateway",
      "arrowmesh-inference",
    ]);
    equal(isOneTree(spans), "yes");
  } finally {
    await mesh.stop();
    collector.close();
  }
});

async function untilServices(
  collector: Collector,
  traceId: string,
  services: readonly string[],
): Promise<Span[]> {
  const deadline = Date.now() + exportMsMax;
  for (;;) {
    const spans = collector.spans.filter((span) => span.traceId === traceId);
    const present = new Set(spans.map(({ service }) => service));
    if (services.every((service) => present.has(service))) break;
    ok(Date.now() < deadline, `only ${[...present]} sent spans`);
    await sleep(50);
  }
  await untilQuiet(collector);
  return collector.spans.filter((span) => span.traceId === traceId);
}

async function untilQuiet({ spans }: Collector): Promise<void> {
  for (let count = -1; count !== spans.length; ) {
    count = spans.length;
    await sleep(300);
  }
}

/** "yes", or what is wrong: one span only has no parent among the others, which is `callerSpanId` if there is one. */
function isOneTree(spans: readonly Span[], callerSpanId = ""): string {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const roots = spans.filter(({ parentSpanId }) => !ids.has(parentSpanId));
  const isRooted = roots.length === 1 && roots[0]?.parentSpanId === callerSpanId;
  return isRooted
    ? "yes"
    : roots.map(({ name, parentSpanId }) => `${name} < ${parentSpanId}`).join();
}
