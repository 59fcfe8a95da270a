import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free-port.js";
import { startRole } from "../support/mesh-process.js";
import { type DecisionServer, descriptorKey, domain } from "./ghz.js";
import { goProgram } from "./go-program.js";
import { startScript } from "./start-script.js";

const module = "github.com/envoyproxy/ratelimit/src/service_cmd";
const version = "v1.4.1-0.20260122083618-3fb702589d36";
const readyMsMax = 20_000;
const stopMsMax = 5_000;

/** More than any load here asks for, so that all of it is decided in full and allowed. */
const policy = `domain: ${domain}
descriptors:
  - key: ${descriptorKey}
    rate_limit:
      unit: minute
      requests_per_unit: 1000000
`;
/** A thousandth of the limit. */
const lease = `      lease: 1000
`;

export interface OpenServer extends DecisionServer {
  stop(): Promise<void>;
}

/** Writes the one policy that both sides read, or the same with leases, which only this project knows; its folder. */
export function writePolicy(folder: string, isLeased = false): string {
  const config = join(folder, isLeased ? "leases" : "ratelimit", "config");
  mkdirSync(config, { recursive: true });
  writeFileSync(join(config, "bench.yaml"), isLeased ? policy + lease : policy);
  return config;
}

/** This project's ratelimit service alone; without `redisUrl` in its own memory. */
export async function startOwn(config: string, redisUrl: string | undefined): Promise<OpenServer> {
  const role = await startRole("ratelimit", {
    RATELIMIT_ENVOY_CONFIG: config,
    ...(redisUrl !== undefined && { REDIS_URL: redisUrl }),
  });
  return { address: `127.0.0.1:${role.port}`, pids: [role.pid], stop: () => role.stop() };
}

/** grpc-js with nothing behind it, or with messages read and written: no decision over it can be cheaper. */
export async function startEmpty(reads: "bytes" | "messages" = "bytes"): Promise<OpenServer> {
  const { port, pid, stop } = await startScript("empty-server.js", [reads]);
  return { address: `127.0.0.1:${port}`, pids: [pid], stop };
}

/** envoyproxy/ratelimit with its counters in Redis. */
export async function startEnvoy(folder: string, redisAddress: string): Promise<OpenServer> {
  const program = await goProgram(module, version);
  const [port, httpPort, debugPort] = [await freePort(), await freePort(), await freePort()];
  const child = spawn(program, {
    stdio: "ignore",
    env: {
      PATH: process.env.PATH,
      ...{ HOST: "127.0.0.1", GRPC_HOST: "127.0.0.1", DEBUG_HOST: "127.0.0.1" },
      ...{ PORT: String(httpPort), GRPC_PORT: String(port), DEBUG_PORT: String(debugPort) },
      ...{ RUNTIME_ROOT: folder, RUNTIME_SUBDIRECTORY: "ratelimit", RUNTIME_WATCH_ROOT: "false" },
      ...{ REDIS_SOCKET_TYPE: "tcp", REDIS_URL: redisAddress },
      ...{ USE_STATSD: "false", LOG_LEVEL: "error" },
    },
  });
  const exited = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
    await exited;
    clearTimeout(timer);
  };
  const deadline = Date.now() + readyMsMax;
  while (!(await listens(port))) {
    if (Date.now() > deadline || child.exitCode !== null) {
      await stop();
      throw new Error("envoyproxy/ratelimit did not start");
    }
    await sleep(50);
  }
  return { address: `127.0.0.1:${port}`, pids: [child.pid ?? 0], stop };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(1_000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
