import { freePort } from "./free-port.js";
import { type Mesh, type RoleProcess, startMesh, startRole } from "./mesh-process.js";

/** A mesh of five processes: two of them are inference, and one of these may be killed. */
export interface ReplicatedMesh {
  readonly url: string;
  /** Every process that is left. */
  readonly pids: readonly number[];
  /** The replica that `kill` ends. */
  readonly victimPid: number;
  /** When `kill` was called, of the system's clock; NaN before. */
  readonly killedMs: number;
  /** Ends one replica of inference at once, with all that it has in work. */
  kill(): Promise<void>;
  /** Ends the rest in order, which sends what spans are left. */
  stop(): Promise<void>;
}

/** Starts it on free ports of this machine; the gateway takes turns with both replicas. */
export async function startReplicatedMesh(env: NodeJS.ProcessEnv): Promise<ReplicatedMesh> {
  const ports = [await freePort(), await freePort()] as const;
  const replicas = ports.map((port) => `127.0.0.1:${port}`).join();
  let mesh: Mesh | undefined;
  const victim: RoleProcess = await startRole("inference", {
    ...env,
    INFERENCE_PORT: String(ports[0]),
  });
  try {
    mesh = await startMesh("four", {
      ...env,
      INFERENCE_PORT: String(ports[1]),
      INFERENCE_ADDRESS: `ipv4:${replicas}`,
    });
  } catch (error) {
    await victim.stop();
    throw error;
  }
  const { url, gateway, roles, stop } = mesh;
  let killedMs = Number.NaN;
  return {
    url,
    pids: [gateway, ...Object.values(roles)].map(({ pid }) => pid),
    victimPid: victim.pid,
    get killedMs() {
      return killedMs;
    },
    async kill() {
      killedMs = Date.now();
      process.kill(victim.pid, "SIGKILL");
      await victim.exited;
    },
    async stop() {
      await Promise.all([stop(), victim.stop()]);
    },
  };
}
