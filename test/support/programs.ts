import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";

/** For the `skip` of a test that needs programs: false, or which of them are missing. */
export function missing(...names: readonly string[]): string | false {
  const absent = names.filter((name) => find(name) === undefined);
  return absent.length === 0 ? false : `${absent.join(", ")} not installed`;
}

/** Where tests keep what takes long to build or fetch. */
export const cacheFolder: string = join(
  process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"),
  "arrowmesh",
);

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; it is killed when that takes too long. */
export async function run(
  command: string,
  args: readonly string[],
  options: {
    readonly input?: string;
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    readonly msMax?: number;
  } = {},
): Promise<Finished> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: options.msMax ?? 60_000,
  });
  // A program may end without reading what it is given; its exit code tells whether that is an error.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const code = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}

function find(name: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}
