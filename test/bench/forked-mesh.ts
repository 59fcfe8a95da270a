import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/free-port.js";
import { nodeOptions, quickStart } from "../support/mesh-process.js";
import { type LoadSpec, loadServer } from "./load-server.js";

/** A mesh in a process of its own that answers what it is asked. */
export interface ForkedMesh {
  load(spec: LoadSpec, seconds: number): Promise<void>;
  ask(question: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts `file` of this folder, which tells its port once it serves, and ends when it is left alone. */
export async function forkMesh(file: string, env: NodeJS.ProcessEnv): Promise<ForkedMesh> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    execArgv: nodeOptions,
    env: { ...process.env, ...quickStart, ...env, PORT: String(await freePort()) },
  });
  const exited = once(child, "exit");
  const hear = async (): Promise<unknown> => {
    const [message] = await Promise.race([
      once(child, "message"),
      exited.then(([code]) => Promise.reject(new Error(`the mesh ended with code ${code}`))),
    ]);
    return message;
  };
  // The child says nothing else at first.
  const { port } = (await hear()) as { port: number };
  const target = { url: `http://127.0.0.1:${port}/embed`, pids: [child.pid ?? 0] };
  return {
    async load(spec, seconds) {
      const { failures } = await loadServer(target, spec, seconds);
      if (failures > 0) throw new Error(`${failures} requests failed`);
    },
    ask(question) {
      child.send(question);
      return hear();
    },
    async stop() {
      child.disconnect();
      await exited;
    },
  };
}
