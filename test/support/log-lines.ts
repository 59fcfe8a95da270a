import { setTimeout as sleep } from "node:timers/promises";
import type { Mesh, RoleProcess } from "./mesh-process.js";

/** A line of the log, by its fields. */
export type LogLine = Readonly<Record<string, unknown>>;

const writtenMsMax = 20_000;

/** All processes of a mesh. */
export function processesOf({ gateway, roles }: Mesh): readonly RoleProcess[] {
  return [gateway, ...Object.values(roles)];
}

/** Every line so far; throws when one is not JSON. */
export function readLines(text: string): LogLine[] {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return whole.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as LogLine]));
}

/** The lines of these processes that belong to a request, once there is one. */
export async function linesAbout(
  requestId: string,
  processes: readonly RoleProcess[],
): Promise<readonly LogLine[]> {
  const deadline = Date.now() + writtenMsMax;
  for (;;) {
    const lines = processes.flatMap(({ printed }) => readLines(printed.stdout));
    const found = lines.filter(({ request_id }) => request_id === requestId);
    if (found.length > 0) return found;
    if (Date.now() > deadline) throw new Error(`no line about ${requestId}`);
    await sleep(20);
  }
}
