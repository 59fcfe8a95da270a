// What becomes of traces on their way out, and what a backend that is down costs: nothing.

import { deepEqual, equal, ok } from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { post } from "./support/clients.js";
import { freePort } from "./support/free-port.js";
import { startMesh } from "./support/mesh-process.js";
import { startCollector } from "./support/otlp-collector.js";

const exportMsMax = 20_000;

test("a queue for few spans sends them early", { timeout: 120_000 }, async () => {
  const collector = await startCollector();
  const mesh = await startMesh("one", {
    ...collector.env,
    OTEL_BSP_SCHEDULE_DELAY: "600000",
    OTEL_BSP_MAX_QUEUE_SIZE: "40",
  });
  try {
    await post(`${mesh.url}/embed`, { inputs: "more than a quarter of forty" });
    const deadline = Date.now() + exportMsMax;
    while (!collector.spans.some(({ name }) => name === "predict")) {
      ok(Date.now() < deadline, "nothing went out");
      await sleep(50);
    }
  } finally {
    await mesh.stop();
    collector.close();
  }
});

for (const [name, listen] of [
  ["refuses connections", async () => ({ port: await freePort(), close() {} })],
  ["never answers", listenToNothing],
] as const) {
  test(`a backend that ${name} holds up no request and not the end`, {
    timeout: 120_000,
  }, async () => {
    const backend = await listen();
    const mesh = await startMesh("one", {
      OTEL_TRACES_EXPORTER: "otlp,jaeger",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${backend.port}`,
      OTEL_EXPORTER_JAEGER_ENDPOINT: `http://127.0.0.1:${backend.port}/api/traces`,
      OTEL_TRACES_SAMPLER: "always_on",
      OTEL_BSP_SCHEDULE_DELAY: "20",
      OTEL_BSP_EXPORT_TIMEOUT: "500",
      OTEL_BSP_MAX_QUEUE_SIZE: "20",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "20",
    });
    let exitMs = 0;
    try {
      for (let i = 0; i < 40; i += 1) {
        equal((await post(`${mesh.url}/embed`, { inputs: `lost ${i}` })).status, 200);
      }
      const lost =
        /arrowmesh_trace_spans_total\{exporter="(\w+)",outcome="(?:failed|dropped)"\} [1-9]/g;
      const deadline = Date.now() + exportMsMax;
      for (;;) {
        const text = await (await fetch(`${mesh.url}/metrics`)).text();
        if (new Set([...text.matchAll(lost)].map(([, exporter]) => exporter)).size === 2) break;
        ok(Date.now() < deadline, "nothing was counted as lost");
        await sleep(50);
      }
    } finally {
      const beganAt = Date.now();
      await mesh.stop();
      exitMs = Date.now() - beganAt;
      backend.close();
    }
    // It says so itself where an end takes too long: 15 s for requests, of which there are none, and 10 for the rest.
    ok(exitMs < 15_000, `${exitMs} ms`);
  });
}

test("Jaeger gets each role as a service, by HTTP with its user", {
  timeout: 120_000,
}, async () => {
  const received: { readonly request: IncomingMessage; readonly body: string }[] = [];
  const server = createServer(async (request, response) => {
    received.push({ request, body: (await buffer(request)).toString("latin1") });
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const mesh = await startMesh("one", {
    OTEL_EXPORTER_JAEGER_ENDPOINT: `http://127.0.0.1:${portOf(server)}/api/traces`,
    OTEL_EXPORTER_JAEGER_USER: "someone",
    OTEL_EXPORTER_JAEGER_PASSWORD: "hunter2",
    OTEL_TRACES_SAMPLER: "always_on",
  });
  await post(`${mesh.url}/embed`, { inputs: "trace me" });
  // The end of the process sends what is left.
  await mesh.stop();
  server.close();
  server.closeAllConnections();
  // A batch begins with its process, and that with the name of the service.
  const services = received.map(({ body }) => /arrowmesh-[a-z]+/.exec(body)?.[0] ?? "");
  deepEqual([...new Set(services)].sort(), [
    "arrowmesh-gateway",
    "arrowmesh-inference",
    "arrowmesh-ratelimit",
    "arrowmesh-tokenizer",
  ]);
  for (const { request } of received) {
    equal(
      request.headers.authorization,
      `Basic ${Buffer.from("someone:hunter2").toString("base64")}`,
    );
  }
});

test("Jaeger's agent gets spans by UDP", { timeout: 120_000 }, async () => {
  const agent = createSocket("udp4");
  const packets: string[] = [];
  agent.on("message", (packet) => packets.push(packet.toString("latin1")));
  agent.bind(0, "127.0.0.1");
  await once(agent, "listening");
  const mesh = await startMesh("one", {
    OTEL_EXPORTER_JAEGER_AGENT_HOST: "127.0.0.1",
    OTEL_EXPORTER_JAEGER_AGENT_PORT: String(agent.address().port),
    OTEL_TRACES_SAMPLER: "always_on",
  });
  await post(`${mesh.url}/embed`, { inputs: "trace me" });
  await mesh.stop();
  const deadline = Date.now() + exportMsMax;
  while (!packets.some((packet) => packet.includes("arrowmesh-inference"))) {
    ok(Date.now() < deadline, "no packet came");
    await sleep(20);
  }
  agent.close();
});

async function listenToNothing() {
  const server = createTcpServer((socket) => socket.on("error", () => undefined).resume());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: portOf(server), close: () => void server.close() };
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as { port: number }).port;
}

/** The spans of a trace, once these services have sent theirs, and nothing more has come for a while. */
