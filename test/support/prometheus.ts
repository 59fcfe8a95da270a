import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { freePort } from "./free-port.js";

/** One series of an answer, with its latest value. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A real Prometheus of its own: on this machine only, with its data in a temporary folder. */
export interface Prometheus {
  /** `path` of its HTTP API, below /api/v1/. */
  get(path: string, query?: Readonly<Record<string, string>>): Promise<unknown>;
  /** What an expression is now. */
  query(expr: string): Promise<readonly Sample[]>;
  stop(): Promise<void>;
}

const readyMsMax = 30_000;

export async function startPrometheus(config: object): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-prometheus-"));
  const file = join(folder, "prometheus.yml");
  writeFileSync(file, stringify(config));
  const port = await freePort();
  const child = spawn(
    "prometheus",
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--enable-feature=exemplar-storage",
      "--log.level=warn",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const output: string[] = [];
  child.stderr.on("data", (chunk) => output.push(String(chunk)));
  const exited = once(child, "exit");
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
    rmSync(folder, { recursive: true });
  };
  const deadlineMs = Date.now() + readyMsMax;
  while (!(await isReady(url))) {
    if (child.exitCode === null && Date.now() < deadlineMs) await sleep(100);
    else {
      if (child.exitCode === null) await stop();
      throw new Error(`prometheus did not start: ${output.join("")}`);
    }
  }
  const get = (path: string, query = {}) => getData(`${url}/api/v1/${path}`, query);
  return {
    get,
    async query(expr) {
      const { result } = (await get("query", { query: expr })) as { result: InstantVector };
      return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
    },
    stop,
  };
}

type InstantVector = readonly {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}[];

async function isReady(url: string): Promise<boolean> {
  try {
    const { ok } = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(2_000) });
    return ok;
  } catch {
    return false; // It does not listen yet.
  }
}

async function getData(url: string, query: Readonly<Record<string, string>>): Promise<unknown> {
  const response = await fetch(`${url}?${new URLSearchParams(query)}`, {
    signal: AbortSignal.timeout(30_000),
  });
  const { status, data, error } = (await response.json()) as {
    status: string;
    data: unknown;
    error?: string;
  };
  if (status !== "success") throw new Error(`${error}: ${JSON.stringify(query)}`);
  return data;
}
