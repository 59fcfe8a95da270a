import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { packageRoot } from "../../lib/package-root.js";
import { freePort } from "./free-port.js";

export type MeshKind = "one" | "four";
export type InternalRole = "tokenizer" | "inference" | "ratelimit";

/** One process of the mesh. */
export interface RoleProcess {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  /** What it has printed so far. */
  readonly printed: { readonly stdout: string; readonly stderr: string };
  /** The exit code; null after a signal. */
  readonly exited: Promise<number | null>;
  /** SIGTERM, and SIGKILL when that does not end it in time. */
  stop(): Promise<void>;
}

export interface Mesh {
  /** The public address. */
  readonly url: string;
  readonly gateway: RoleProcess;
  /** The internal services that have a process of their own. */
  readonly roles: Readonly<Partial<Record<InternalRole, RoleProcess>>>;
  stop(): Promise<void>;
}

const main = join(packageRoot, "dist/services/main.js");
/** Options of Node, those of the image. */
export const nodeOptions = readEntrypoint().slice(1, -1);
/** No measurement of what is fastest, which takes seconds. */
export const quickStart = {
  LOG_LEVEL: "warn",
  INFERENCE_WORKERS: "2",
  INFERENCE_THREADS_PER_WORKER: "1",
};
const readyMsMax = 60_000;
const stopMsMax = 30_000;
const internalRoles = ["tokenizer", "inference", "ratelimit"] as const;

/** The whole mesh as real processes on free ports of this machine: one, or one for each service. */
export async function startMesh(
  kind: MeshKind,
  env: NodeJS.ProcessEnv = {},
  options: readonly string[] = nodeOptions,
): Promise<Mesh> {
  const roles: Partial<Record<InternalRole, RoleProcess>> = {};
  const started: RoleProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((process) => process.stop()));
  };
  try {
    const addresses: NodeJS.ProcessEnv = {};
    if (kind === "four") {
      const processes = await Promise.all(
        internalRoles.map((role) => startRole(role, env, options)),
      );
      started.push(...processes);
      for (const [index, role] of internalRoles.entries()) {
        const process = processes[index] as RoleProcess;
        roles[role] = process;
        addresses[`${role.toUpperCase()}_ADDRESS`] = `127.0.0.1:${process.port}`;
      }
    }
    const port = await freePort();
    const args = kind === "one" ? ["serve"] : ["serve", "gateway"];
    const gatewayEnv = { ...addresses, ...env, PORT: String(port) };
    const gateway = await startProcess(args, { port, env: gatewayEnv, options });
    started.push(gateway);
    return { url: gateway.url, gateway, roles, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One internal service, on the port that `env` names or on a free one. */
export async function startRole(
  role: InternalRole,
  env: NodeJS.ProcessEnv = {},
  options: readonly string[] = nodeOptions,
): Promise<RoleProcess> {
  const name = `${role.toUpperCase()}_PORT`;
  const port = Number(env[name] ?? (await freePort()));
  const roleEnv = { ...env, [name]: String(port) };
  return await startProcess(["serve", role], { port, env: roleEnv, options });
}

async function startProcess(
  args: readonly string[],
  {
    port,
    env,
    options,
  }: {
    readonly port: number;
    readonly env: NodeJS.ProcessEnv;
    /** Of Node. */
    readonly options: readonly string[];
  },
): Promise<RoleProcess> {
  const child = spawn(process.execPath, [...options, main, ...args], {
    env: { ...process.env, ...quickStart, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      printed[name] += chunk;
    });
  }
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await stopProcess(child, exited);
    // Node warns there of leaks and misuse, which no test should cause.
    const warning = /^.*Warning:.*$/m.exec(`${printed.stdout}\n${printed.stderr}`);
    if (warning !== null) throw new Error(`${args.join(" ")} warned: ${warning[0]}`);
  };
  try {
    await untilReady(url, child);
  } catch (error) {
    await stop();
    throw new Error(`${args.join(" ")}: ${String(error)}\n${printed.stdout}${printed.stderr}`);
  }
  return { pid: child.pid ?? 0, port, url, printed, exited, stop };
}

/** A gateway is ready when its peers are; the others when they listen and their model is loaded. */
async function untilReady(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + readyMsMax;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`ended with code ${child.exitCode}`);
    if (Date.now() > deadline) throw new Error("not ready in time");
    try {
      const signal = AbortSignal.timeout(2_000);
      if ((await fetch(`${url}/ready`, { signal })).status === 200) return;
    } catch {
      // It does not listen yet.
    }
    await sleep(50);
  }
}

async function stopProcess(child: ChildProcess, exited: Promise<number | null>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const inTime = await Promise.race([
    exited.then(() => true),
    sleep(stopMsMax, false, { ref: false }),
  ]);
  if (inTime) return;
  child.kill("SIGKILL");
  await exited;
  throw new Error(`process ${child.pid} did not end within ${stopMsMax} ms of SIGTERM`);
}

/** Of the image: node, its options and the program. */
function readEntrypoint(): string[] {
  const dockerfile = readFileSync(join(packageRoot, "deploy/Dockerfile"), "utf8");
  const command = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1];
  if (command === undefined) throw new Error("deploy/Dockerfile has no ENTRYPOINT");
  return JSON.parse(command) as string[];
}
