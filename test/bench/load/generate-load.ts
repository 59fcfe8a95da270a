import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LoadOrder, LoadResult } from "./order.js";

const program = fileURLToPath(new URL("./process.js", import.meta.url));
/** For its start, its warm-up and the last answers. */
const spareMs = 60_000;

/** Loads a server from a process of its own, so that neither waits for the other's event loop. */
export async function generateLoad(order: LoadOrder): Promise<LoadResult> {
  const child = fork(program, { timeout: order.seconds * 1_200 + spareMs });
  const result = new Promise<LoadResult>((resolve, reject) => {
    child.once("message", (message) => resolve(message as LoadResult));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the load process ended with ${code}`)));
  });
  child.send(order);
  return await result;
}
