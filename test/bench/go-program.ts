import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, run } from "../support/programs.js";

const buildMsMax = 1_200_000;

/** A Go program of this module version, built once and kept for the next run; the path of its executable. */
export async function goProgram(module: string, version: string): Promise<string> {
  const folder = join(cacheFolder, "go", version);
  const program = join(folder, module.split("/").at(-1) ?? module);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  console.error(`building ${module}@${version}`);
  const { code, stderr } = await run("go", ["install", `${module}@${version}`], {
    env: { GOBIN: folder },
    msMax: buildMsMax,
  });
  if (code !== 0) throw new Error(`${module}: ${stderr}`);
  return program;
}
