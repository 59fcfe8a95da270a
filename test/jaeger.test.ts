// What a real Jaeger says of requests: one tree each, whatever the protocol and however the spans came to it.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TraceSpan } from "../lib/jaeger/trace-span.js";
import { growTree } from "../lib/jaeger/trace-tree.js";
import { packageRoot } from "../lib/package-root.js";
import { type Jaeger, startJaeger } from "./support/jaeger.js";
import { type JaegerKind, jaegerBuildMsMax } from "./support/jaeger-program.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { missing, run } from "./support/programs.js";
import { traceFaults } from "./support/trace-faults.js";
import { type TracedProtocol, tracedProtocols } from "./support/traced-protocols.js";

interface Way {
  readonly name: string;
  readonly jaeger: JaegerKind;
  readonly mesh: MeshKind;
  readonly env: (jaeger: Jaeger) => NodeJS.ProcessEnv;
  /** All protocols where it is undefined. */
  readonly protocols?: readonly string[];
  /** Whether spans of requests that come at once may be lost on the way. */
  readonly isLossy?: boolean;
}

const ways: readonly Way[] = [
  {
    name: "OTLP over gRPC",
    jaeger: "current",
    mesh: "four",
    env: ({ otlpGrpcUrl }) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: otlpGrpcUrl,
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
    }),
  },
  {
    name: "OTLP over HTTP",
    jaeger: "current",
    mesh: "four",
    env: ({ otlpHttpUrl }) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: otlpHttpUrl,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
    }),
    protocols: ["HTTP+JSON", "gRPC", "Connect"],
  },
  {
    name: "the Jaeger exporter over HTTP",
    jaeger: "current",
    mesh: "four",
    env: ({ collectorUrl }) => ({
      OTEL_TRACES_EXPORTER: "jaeger",
      OTEL_EXPORTER_JAEGER_ENDPOINT: collectorUrl,
    }),
    protocols: ["HTTP+JSON", "gRPC", "gRPC-Web"],
  },
  {
    name: "the Jaeger exporter over UDP",
    jaeger: "agent",
    mesh: "one",
    env: ({ agentPort }) => ({
      OTEL_TRACES_EXPORTER: "jaeger",
      OTEL_EXPORTER_JAEGER_AGENT_HOST: "127.0.0.1",
      OTEL_EXPORTER_JAEGER_AGENT_PORT: String(agentPort),
    }),
    protocols: ["HTTP+JSON", "OpenAI"],
    isLossy: true,
  },
];
const roles = ["gateway", "inference", "ratelimit", "tokenizer"];
const services = roles.map((role) => `arrowmesh-${role}`);
const timeout = jaegerBuildMsMax + 300_000;
const document = readFileSync(join(packageRoot, "docs/tracing-spans.md"), "utf8");

for (const way of ways) {
  describe(`a real Jaeger, by ${way.name}`, { timeout, skip: missing("go") }, () => {
    let jaeger: Jaeger;
    let mesh: Mesh;
    before(async () => {
      jaeger = await startJaeger(way.jaeger);
      const always = { OTEL_TRACES_SAMPLER: "always_on", OTEL_BSP_SCHEDULE_DELAY: "100" };
      mesh = await startMesh(way.mesh, { ...always, ...way.env(jaeger) });
    });
    after(async () => {
      await mesh?.stop();
      await jaeger?.stop();
    });

    const names = way.protocols ?? tracedProtocols("http://127.0.0.1").map(({ name }) => name);
    for (const name of names) {
      test(`shows a request over ${name} as one tree of all roles`, async () => {
        const { spanName, send } = protocolOf(mesh, name);
        const { traceId, callerSpanId, traceparent } = newCaller();
        await send(`over ${name}`, { traceparent });
        const spans = await wholeTrace(jaeger, traceId, callerSpanId);
        deepEqual(traceFaults(spans, { callerSpanId, services }), []);
        equal(growTree(spans).roots[0]?.span.name, spanName);
      });
    }

    const skip = way.isLossy === true && "UDP loses what does not fit into a socket's buffer";
    test("leads from a request to the batch that it shared, and back to all that shared it", {
      skip,
    }, async () => {
      const { send } = protocolOf(mesh, "HTTP+JSON");
      const callers = Array.from({ length: 24 }, newCaller);
      await Promise.all(
        callers.map(({ traceparent, traceId }) => send(`shares ${traceId}`, { traceparent })),
      );
      const batches = new Map<string, TraceSpan[]>();
      for (const { traceId, callerSpanId } of callers) {
        const spans = await wholeTrace(jaeger, traceId, callerSpanId);
        deepEqual(traceFaults(spans, { callerSpanId, services }), []);
        const [run, ...others] = spans.filter(({ name }) => name === "model_inference");
        ok(run && others.length === 0, spans.map(({ name }) => name).join());
        const [link, ...more] = run.links;
        ok(link && more.length === 0, `${run.links.length} links`);
        const batch = batches.get(link.traceId) ?? (await batchTrace(jaeger, link.traceId));
        batches.set(link.traceId, batch);
        const root = batch.find(({ spanId }) => spanId === link.spanId);
        ok(root, "the link leads to no span");
        const back = root.links.filter((back) => back.traceId === traceId);
        deepEqual(back, [{ traceId, spanId: run.spanId }]);
      }
      const sizes = [...batches.values()].map(([root]) => root?.links.length ?? 0);
      equal(
        sizes.reduce((sum, size) => sum + size, 0),
        callers.length,
      );
      ok(Math.max(...sizes) > 1, `no batch was shared: ${sizes}`);
    });

    test("has no span and no attribute of our own that docs/tracing-spans.md does not explain", async () => {
      const found = await Promise.all(
        services.map((service) => jaeger.query.traces({ service, tracesMax: 1_000 })),
      );
      const terms = new Set(found.flat(2).flatMap(ownTerms));
      ok(terms.size > 20, [...terms].join());
      const unexplained = [...terms].filter((term) => !document.includes(`\`${term}\``));
      deepEqual(unexplained, []);
    });
  });
}

/** Names that are not a route's or a method's, and attributes that no convention explains. */
function ownTerms({ name, attributes }: TraceSpan): string[] {
  const own = Object.keys(attributes).filter((attribute) => attribute.startsWith("arrowmesh."));
  return name.includes("/") ? own : [name, ...own];
}

function protocolOf({ url }: Mesh, name: string): TracedProtocol {
  const protocol = tracedProtocols(url).find((protocol) => protocol.name === name);
  ok(protocol, `no protocol ${name}`);
  return protocol;
}

/** A caller that began a trace and wants it kept. */
function newCaller() {
  const traceId = randomBytes(16).toString("hex");
  const callerSpanId = randomBytes(8).toString("hex");
  return { traceId, callerSpanId, traceparent: `00-${traceId}-${callerSpanId}-01` };
}

/** A trace once nothing is wrong with it: its parts come one by one, and not always parents first. */
function wholeTrace(jaeger: Jaeger, traceId: string, callerSpanId?: string): Promise<TraceSpan[]> {
  return jaeger.trace(traceId, (spans) => {
    return traceFaults(spans, { callerSpanId, services }).length === 0;
  });
}

/** A batch's own trace, which begins with it and is whole. */
async function batchTrace(jaeger: Jaeger, traceId: string): Promise<TraceSpan[]> {
  const spans = await jaeger.trace(traceId, ({ length }) => length > 0);
  deepEqual(traceFaults(spans, { services: ["arrowmesh-inference"] }), []);
  equal(spans[0]?.name, "batch");
  return spans;
}

describe("with a real Jaeger", { timeout, skip: missing("go") }, () => {
  let jaeger: Jaeger;
  let mesh: Mesh;
  before(async () => {
    jaeger = await startJaeger();
    mesh = await startMesh("one", {
      OTEL_TRACES_SAMPLER: "parentbased_always_on",
      OTEL_BSP_SCHEDULE_DELAY: "100",
      OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlpHttpUrl,
    });
  });
  after(async () => {
    await mesh?.stop();
    await jaeger?.stop();
  });

  test("a trace that a Jaeger client began is continued", async () => {
    const { traceId, callerSpanId } = newCaller();
    const headers = { "uber-trace-id": `${traceId}:${callerSpanId}:0:1` };
    await protocolOf(mesh, "HTTP+JSON").send("by a Jaeger client", headers);
    const spans = await wholeTrace(jaeger, traceId, callerSpanId);
    deepEqual(traceFaults(spans, { callerSpanId, services }), []);
  });

  test("a request without a trace begins one", async () => {
    const { send, spanName } = protocolOf(mesh, "OpenAI");
    await send("begins a trace", {});
    const search = { service: "arrowmesh-gateway", operation: spanName, tracesMax: 10 };
    let found: readonly TraceSpan[] = [];
    for (let round = 0; round < 100 && found.length === 0; round += 1) {
      found = (await jaeger.query.traces(search))[0] ?? [];
      if (found.length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const spans = await wholeTrace(jaeger, found[0]?.traceId ?? "0");
    deepEqual(traceFaults(spans, { services }), []);
  });

  test("a role of one process is a service of its own", async () => {
    deepEqual((await jaeger.query.services()).sort(), services);
  });

  test("arrowmesh trace draws what Jaeger has, and says what it has not", async () => {
    const { traceId, callerSpanId, traceparent } = newCaller();
    await protocolOf(mesh, "HTTP+JSON").send("to be drawn", { traceparent });
    await wholeTrace(jaeger, traceId, callerSpanId);
    const drawn = await arrowmesh("trace", traceId, "--jaeger", jaeger.url);
    equal(drawn.code, 0, drawn.stderr);
    match(
      drawn.stdout,
      new RegExp(`^trace ${traceId}\n.*, 4 services\n! begins below span ${callerSpanId}`),
    );
    match(drawn.stdout, /\narrowmesh-gateway +POST \/embed +0\.00 .* status=200/);
    match(
      drawn.stdout,
      /\narrowmesh-inference .*─ model_inference .*\n.* -> batch [0-9a-f]{32}\/[0-9a-f]{16}\n/,
    );

    const unknown = await arrowmesh("trace", "5c1", "--jaeger", jaeger.url);
    deepEqual(
      [unknown.code, unknown.stderr],
      [1, `Jaeger at ${new URL(jaeger.url).host} has no trace 00000000000005c1\n`],
    );
  });
});

function arrowmesh(...args: readonly string[]) {
  return run(process.execPath, [join(packageRoot, "dist/services/main.js"), ...args]);
}
