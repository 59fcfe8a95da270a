import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cacheFolder, run } from "./programs.js";

const installMsMax = 400_000;

/** A Python that has the packages of a requirements file, or why there is none. */
export type Python =
  | { readonly command: string; readonly problem?: undefined }
  | { readonly problem: string };

/** A virtual environment of these requirements, which is kept for the next run. */
export async function installPython(requirements: string): Promise<Python> {
  const digest = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 8);
  const venv = join(cacheFolder, `${basename(requirements, ".requirements.txt")}-${digest}`);
  const command = join(venv, "bin/python");
  // Written last: a folder without it is what an installation that was cut short has left.
  const complete = join(venv, "complete");
  if (existsSync(complete)) return { command };
  const created = await run("python3", ["-m", "venv", "--clear", venv]);
  if (created.code !== 0) return { problem: created.stdout + created.stderr };
  const args = ["-m", "pip", "install", "-q", "--no-input", "-r", requirements];
  const installed = await run(command, args, { msMax: installMsMax });
  if (installed.code !== 0) return { problem: installed.stderr };
  writeFileSync(complete, "");
  return { command };
}
