import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free-port.js";
import { cacheFolder, run } from "../support/programs.js";
import type { Target } from "./load-server.js";

/** The same engine and tokenizer as the mesh has. */
const packages = [
  "fastapi==0.165.0",
  "uvicorn[standard]==0.54.0",
  "onnxruntime==1.30.0",
  "tokenizers==0.23.2",
  "numpy==2.4.6",
];
const key = createHash("sha256").update(packages.join()).digest("hex").slice(0, 8);
const venv = join(cacheFolder, `peer-fastapi-ort-${key}`);
const python = join(venv, "bin/python");
const installMsMax = 600_000;
const readyMsMax = 60_000;
const stopMsMax = 10_000;

export interface Peer extends Target {
  stop(): Promise<void>;
}

/** The usual Python service: FastAPI, ONNX Runtime on all cores, a batcher of 8 texts or 50 ms; fp32 weights. */
export async function startPeer(folder: string, modelFolder: string): Promise<Peer> {
  await install();
  const port = await freePort();
  const args = ["-m", "uvicorn", "app_ort:app", "--host", "127.0.0.1", "--port", String(port)];
  // The mesh runs without its access log in the bench, too.
  const child = spawn(python, [...args, "--no-access-log"], {
    cwd: folder,
    env: {
      ...process.env,
      MODEL_PATH: modelFolder,
      ORT_DISABLE_TELEMETRY: "1",
      PYTHONDONTWRITEBYTECODE: "1",
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const stop = () => stopProcess(child);
  try {
    await untilHealthy(`http://127.0.0.1:${port}/health`, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}/embed_batched`, pids: [child.pid ?? 0], stop };
}

/** Once; the virtual environment is kept for the next run. */
async function install(): Promise<void> {
  const isThere = async () =>
    (await run(python, ["-c", "import fastapi, uvicorn, onnxruntime, tokenizers, numpy"])).code ===
    0;
  if (existsSync(python) && (await isThere())) return;
  await must("python3", ["-m", "venv", "--clear", venv]);
  await must(python, ["-m", "pip", "install", "-q", ...packages]);
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, args, { msMax: installMsMax });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}

async function untilHealthy(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + readyMsMax;
  while (Date.now() < deadline && child.exitCode === null) {
    try {
      if ((await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok) return;
    } catch {
      // It does not listen yet.
    }
    await sleep(100);
  }
  throw new Error(`the peer is not healthy (exit code ${child.exitCode})`);
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
  await exited;
  clearTimeout(timer);
}
