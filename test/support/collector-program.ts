import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../lib/package-root.js";
import { cacheFolder, run } from "./programs.js";

const buildMsMax = 1_200_000;
const source = join(packageRoot, "test/tools/collector");

/** An OpenTelemetry Collector, built by Go once and kept for the next run; the path of its executable. */
export async function collectorProgram(): Promise<string> {
  const digest = createHash("sha256");
  for (const name of ["main.go", "go.sum"]) digest.update(readFileSync(join(source, name)));
  const folder = join(cacheFolder, "go");
  const program = join(folder, `collector-${digest.digest("hex").slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  console.error("building an OpenTelemetry Collector, which takes minutes");
  // Under its name only when it is complete.
  const partial = `${program}.${process.pid}`;
  const args = ["build", "-trimpath", "-ldflags", "-s -w", "-o", partial, "."];
  const { code, stderr } = await run("go", args, { cwd: source, msMax: buildMsMax });
  if (code !== 0) throw new Error(`test/tools/collector: ${stderr}`);
  renameSync(partial, program);
  return program;
}
