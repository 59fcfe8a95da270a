// One trace for each request, with spans of all four services, in one process and as four.

import { deepEqual, equal, ok } from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gatewayOf, post, transportsOf } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { type Collector, type Span, startCollector } from "./support/otlp-collector.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const exportMsMax = 20_000;

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 120_000 }, () => {
    let collector: Collector;
    let mesh: Mesh;
    before(async () => {
      collector = await startCollector();
      mesh = await startMesh(kind, collector.env);
    });
    after(async () => {
      await mesh.stop();
      collector.close();
    });

    test("an HTTP request that brings a trace continues it through all services", async () => {
      const traceId = "0af7651916cd43dd8448eb211c80319c";
      const parentId = "b7ad6b7169203331";
      const headers = { traceparent: `00-${traceId}-${parentId}-01` };
      await post(`${mesh.url}/embed`, { inputs: "trace me" }, headers);

      const spans = await spansOf(collector, traceId);
      const root = spans.find((span) => span.parentSpanId === parentId);
      equal(root?.name, "POST /embed");
      hasOnePathThroughAllRoles(spans, root);
    });

    for (const protocol of ["gRPC", "Connect with JSON over HTTP/1.1", "gRPC-Web over HTTP/1.1"]) {
      test(`a call over ${protocol} is one tree`, async () => {
        const traceId = Buffer.from(protocol.padEnd(16, ".")).toString("hex").slice(0, 32);
        const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
        const transport = transportsOf(mesh.url)[protocol];
        ok(transport);
        // A text of its own, which no cache answers.
        await gatewayOf(transport).embed({ inputs: [`trace ${protocol}`] }, { headers });

        const spans = await spansOf(collector, traceId);
        const root = spans.find((span) => span.parentSpanId === "b7ad6b7169203331");
        equal(root?.name, "arrowmesh.gateway.v1.GatewayService/Embed");
        hasOnePathThroughAllRoles(spans, root);
      });
    }

    test("requests that come at once are one tree each", async () => {
      const traceIds = Array.from({ length: 8 }, (_, index) => `${index + 1}`.repeat(32));
      const requests = traceIds.map((traceId) => {
        const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
        return post(`${mesh.url}/embed`, { inputs: `at once ${traceId}` }, headers);
      });
      await Promise.all(requests);
      for (const traceId of traceIds) {
        const spans = await spansOf(collector, traceId);
        const root = spans.find((span) => span.parentSpanId === "b7ad6b7169203331");
        hasOnePathThroughAllRoles(spans, root);
      }
    });

    test("a refused request is traced with its fault", async () => {
      const traceId = "abababababababababababababababab";
      const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
      await post(`${mesh.url}/embed`, { inputs: "" }, headers);
      const deadline = Date.now() + exportMsMax;
      while (!collector.spans.some((span) => isFailedRoot(span, traceId))) {
        ok(Date.now() < deadline, "the failed span was not exported");
        await sleep(50);
      }
    });
  });
}

test("the Jaeger exporter sends spans where it is told to", { timeout: 120_000 }, async () => {
  const paths: string[] = [];
  const jaeger = createServer((request, response) => {
    paths.push(`${request.method} ${request.headers["content-type"]}`);
    request.resume();
    response.end();
  });
  jaeger.listen(0, "127.0.0.1");
  await once(jaeger, "listening");
  const address = jaeger.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const mesh = await startMesh("one", {
    OTEL_TRACES_EXPORTER: "jaeger",
    OTEL_TRACES_SAMPLER: "always_on",
    OTEL_EXPORTER_JAEGER_ENDPOINT: `http://127.0.0.1:${port}/api/traces`,
  });
  await post(`${mesh.url}/embed`, { inputs: "trace me" });
  // The end of the process sends what is left.
  await mesh.stop();
  jaeger.close();
  jaeger.closeAllConnections();
  ok(paths.includes("POST application/x-thrift"), paths.join());
});

function isFailedRoot(span: Span, traceId: string): boolean {
  return span.traceId === traceId && span.attributes["error.type"] === "empty";
}

/** The spans of a trace, once every role has sent its own. */
async function spansOf(collector: Collector, traceId: string): Promise<Span[]> {
  const deadline = Date.now() + exportMsMax;
  for (;;) {
    const spans = collector.spans.filter((span) => span.traceId === traceId);
    if (rolesOf(spans).length === 4) return spans;
    ok(Date.now() < deadline, `only ${rolesOf(spans)} sent spans`);
    await sleep(50);
  }
}

function rolesOf(spans: readonly Span[]): string[] {
  const roles = spans.map((span) => span.attributes["arrowmesh.role"] ?? "");
  return [...new Set(roles)].filter(Boolean).sort();
}

/** Every span leads up to the root, and each internal service answers below the gateway's span. */
function hasOnePathThroughAllRoles(spans: readonly Span[], root: Span | undefined): void {
  ok(root);
  deepEqual(rolesOf(spans), ["gateway", "inference", "ratelimit", "tokenizer"]);
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const span of spans) {
    let top = span;
    for (let hops = 0; top !== root && hops < spans.length; hops += 1) {
      const parent = byId.get(top.parentSpanId);
      ok(parent, `${top.name} has no parent in the trace`);
      top = parent;
    }
    equal(top, root);
  }
  const methods = spans.map((span) => span.name.split("/").at(-1));
  for (const method of ["Take", "Encode", "Reserve"]) ok(methods.includes(method), method);
}
