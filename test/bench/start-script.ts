import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const readyMsMax = 20_000;

export interface StartedScript {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** A server of this folder in a process of its own; it prints its port once it serves. */
export async function startScript(file: string, args: readonly string[]): Promise<StartedScript> {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
  };
  try {
    const [port] = await once(child.stdout, "data", { signal: AbortSignal.timeout(readyMsMax) });
    return { port: Number(port), pid: child.pid ?? 0, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
