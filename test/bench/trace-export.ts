// What tracing takes of a processor for one request of 14 spans, from its records to bytes at a receiver that
// forgets them: `npm run bench:trace-export`.

import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createGrpcSink } from "node:http2";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { Registry } from "prom-client";
import { systemClock } from "../../lib/clock.js";
import { Deferred } from "../../lib/defer.js";
import type { Span } from "../../lib/tracing/span.js";
import { startTracing } from "../../lib/tracing/start-tracing.js";

const requests = 10_000;
/** So many requests are traced before the event loop turns, as it does under load. */
const requestsPerTurn = 8;
const getter = { keys: () => [], get: () => undefined };

if (process.argv[2] === "sink") await sink();
else if (process.argv[2] === undefined) await compare();
else await measure(process.argv[2], JSON.parse(process.argv[3] ?? "{}"));

async function compare(): Promise<void> {
  const receiver = fork(fileURLToPath(import.meta.url), ["sink"]);
  const [ports] = (await once(receiver, "message")) as [{ http: number; grpc: number }];
  const otlp = (protocol: string, port: number) => ({
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_TRACES_SAMPLER: "always_on",
  });
  const jaeger = {
    OTEL_EXPORTER_JAEGER_ENDPOINT: `http://127.0.0.1:${ports.http}/api/traces`,
    OTEL_TRACES_SAMPLER: "always_on",
  };
  const cases = {
    "records only": {
      ...otlp("http/protobuf", ports.http),
      OTEL_TRACES_SAMPLER_ARG: "0",
      OTEL_TRACES_SAMPLER: "traceidratio",
    },
    "1 % by http/protobuf": {
      ...otlp("http/protobuf", ports.http),
      OTEL_TRACES_SAMPLER_ARG: "0.01",
      OTEL_TRACES_SAMPLER: "traceidratio",
    },
    "all by http/protobuf": otlp("http/protobuf", ports.http),
    "all by http/json": otlp("http/json", ports.http),
    "all by grpc": otlp("grpc", ports.grpc),
    "all by jaeger": jaeger,
  };
  for (const [name, env] of Object.entries(cases)) {
    const child = fork(fileURLToPath(import.meta.url), [name, JSON.stringify(env)], {
      env: { ...process.env, ...env },
    });
    await once(child, "exit");
  }
  receiver.kill();
}

async function measure(name: string, env: NodeJS.ProcessEnv): Promise<void> {
  const deferred = new Deferred();
  const registry = new Registry();
  const tracing = await startTracing({
    ...{ env: { ...env, OTEL_BSP_MAX_QUEUE_SIZE: "1000000" }, registry, clock: systemClock },
    ...{ version: "bench", log: pino({ level: "warn" }), defer: deferred.defer },
  });
  const trace = () =>
    request(tracing.enter({ carrier: {}, getter, role: "gateway", isCallerInMesh: false }));
  for (let i = 0; i < requests / 10; i += 1) trace();
  await turn();
  const before = process.cpuUsage();
  for (let i = 0; i < requests / requestsPerTurn; i += 1) {
    for (let j = 0; j < requestsPerTurn; j += 1) trace();
    await turn();
  }
  await deferred.releaseAll();
  const { user, system } = process.cpuUsage(before);
  const counts = (await registry.getSingleMetric("arrowmesh_trace_spans_total")?.get())?.values;
  const outcome = counts?.map(({ labels, value }) => `${labels.outcome} ${value}`).join(", ");
  console.log(
    `${name}: ${((user + system) / requests).toFixed(1)} us a request (spans ${outcome})`,
  );
}

/** As a request looks that goes through all roles of one process. */
function request(arrival: Span): void {
  const server = arrival.begin("POST /embed", { kind: "server" });
  server.set("http.request.method", "POST");
  server.set("http.route", "/embed");
  server.set("arrowmesh.request_id", "5f0c9f3e-7d0a-4d8e-9f0e-0e6f4a0f2d11");
  for (let i = 0; i < 13; i += 1) {
    const child = server.begin("arrowmesh.tokenizer.v1.TokenizerService/Encode", {
      role: "tokenizer",
    });
    child.set("rpc.system.name", "local");
    child.set("rpc.method", "arrowmesh.tokenizer.v1.TokenizerService/Encode");
    child.set("gen_ai.usage.input_tokens", 17);
    child.end();
  }
  server.end();
}

async function sink(): Promise<void> {
  const http = createServer((incoming, answer) => {
    incoming.resume().once("end", () => answer.end());
  }).listen(0, "127.0.0.1");
  const grpc = createGrpcSink().listen(0, "127.0.0.1");
  grpc.on("stream", (stream) => {
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.resume().once("end", () => stream.end(Buffer.alloc(5)));
  });
  await Promise.all([once(http, "listening"), once(grpc, "listening")]);
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
  process.send?.({ http: portOf(http), grpc: portOf(grpc) });
}
