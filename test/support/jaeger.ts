import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../lib/clock.js";
import { JaegerQuery } from "../../lib/jaeger/jaeger-query.js";
import type { TraceSpan } from "../../lib/jaeger/trace-span.js";
import { freePort, freeUdpPort } from "./free-port.js";
import { type JaegerKind, jaegerProgram } from "./jaeger-program.js";

/** A Jaeger of this test: its addresses, and what it was sent. */
export interface Jaeger {
  /** Of the query API and the pages. */
  readonly url: string;
  readonly query: JaegerQuery;
  readonly otlpGrpcUrl: string;
  readonly otlpHttpUrl: string;
  /** Takes Thrift by HTTP. */
  readonly collectorUrl: string;
  /** Takes binary Thrift by UDP; 0 where this Jaeger has no agent. */
  readonly agentPort: number;
  /** The trace, as soon as it satisfies `isComplete`; whatever is there when that takes too long. */
  trace(
    traceId: string,
    isComplete: (spans: readonly TraceSpan[]) => boolean,
  ): Promise<TraceSpan[]>;
  stop(): Promise<void>;
}

const readyMsMax = 30_000;
const answerMsMax = 10_000;
const exportMsMax = 30_000;

/** Starts a real Jaeger that keeps traces in memory, on free ports of this machine. */
export async function startJaeger(kind: JaegerKind = "current"): Promise<Jaeger> {
  const program = await jaegerProgram(kind);
  const [http, grpc, admin, collector, collectorGrpc, otlpHttp, otlpGrpc] = await freePorts();
  const agent = kind === "agent" ? await agentArguments() : { ports: [], args: [] };
  const child = spawn(
    program,
    [
      "--log-level=error",
      "--collector.otlp.enabled=true",
      `--query.http-server.host-port=127.0.0.1:${http}`,
      `--query.grpc-server.host-port=127.0.0.1:${grpc}`,
      `--admin.http.host-port=127.0.0.1:${admin}`,
      `--collector.http-server.host-port=127.0.0.1:${collector}`,
      `--collector.grpc-server.host-port=127.0.0.1:${collectorGrpc}`,
      `--collector.otlp.http.host-port=127.0.0.1:${otlpHttp}`,
      `--collector.otlp.grpc.host-port=127.0.0.1:${otlpGrpc}`,
      ...agent.args,
    ],
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, SPAN_STORAGE_TYPE: "memory" } },
  );
  // It must not stay when the test ends by a mistake of its own.
  const leave = (): boolean => child.kill("SIGKILL");
  process.once("exit", leave);
  child.once("exit", () => process.off("exit", leave));
  const url = `http://127.0.0.1:${http}`;
  await untilReady(child, url);
  const query = new JaegerQuery({ url: new URL(url), timeoutMs: answerMsMax, clock: systemClock });
  return {
    url,
    query,
    otlpGrpcUrl: `http://127.0.0.1:${otlpGrpc}`,
    otlpHttpUrl: `http://127.0.0.1:${otlpHttp}`,
    collectorUrl: `http://127.0.0.1:${collector}/api/traces`,
    agentPort: agent.ports[0] ?? 0,
    trace: (traceId, isComplete) => untilComplete(query, traceId, isComplete),
    stop: () => end(child),
  };
}

async function untilComplete(
  query: JaegerQuery,
  traceId: string,
  isComplete: (spans: readonly TraceSpan[]) => boolean,
): Promise<TraceSpan[]> {
  const deadline = Date.now() + exportMsMax;
  for (;;) {
    const spans = (await query.trace(traceId)) ?? [];
    if (isComplete(spans) || Date.now() > deadline) return spans;
    await sleep(100);
  }
}

async function freePorts(): Promise<
  readonly [number, number, number, number, number, number, number]
> {
  return [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
}

/** The agent listens for three encodings, and for questions about sampling. */
async function agentArguments(): Promise<{ readonly ports: number[]; readonly args: string[] }> {
  const ports = [await freeUdpPort(), await freeUdpPort(), await freeUdpPort()];
  const names = ["jaeger-binary", "jaeger-compact", "zipkin-compact"];
  const args = names.map((name, index) => {
    return `--processor.${name}.server-host-port=127.0.0.1:${ports[index]}`;
  });
  return { ports, args: [...args, `--http-server.host-port=127.0.0.1:${await freePort()}`] };
}

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const output: string[] = [];
  child.stderr?.on("data", (chunk) => output.push(String(chunk)));
  const deadline = Date.now() + readyMsMax;
  for (;;) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await end(child);
      throw new Error(`Jaeger does not answer: ${output.join("").slice(0, 4_000)}`);
    }
    try {
      const signal = AbortSignal.timeout(2_000);
      if ((await fetch(`${url}/api/services`, { signal })).ok) return;
    } catch {
      // It does not listen yet.
    }
    await sleep(50);
  }
}

/** Its traces are in its memory only, so nothing is lost by a signal that cannot be waited out. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
