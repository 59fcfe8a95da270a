import { spawn } from "node:child_process";
import { once } from "node:events";
import { Redis } from "ioredis";
import { freePort } from "../support/free-port.js";

const readyAttemptsMax = 50;

export interface BenchRedis {
  /** host:port */
  readonly address: string;
  readonly url: string;
  stop(): Promise<void>;
}

/** A Redis that keeps nothing, over TCP, as a peer would use it. */
export async function startRedis(): Promise<BenchRedis> {
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const child = spawn("redis-server", args, { stdio: "ignore" });
  const exited = once(child, "exit");
  const url = `redis://127.0.0.1:${port}`;
  const probe = new Redis(url, { retryStrategy: (n) => (n > readyAttemptsMax ? null : 100) });
  probe.on("error", () => {
    // It does not listen yet.
  });
  await probe.ping();
  probe.disconnect();
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
  };
  return { address: `127.0.0.1:${port}`, url, stop };
}
