import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../lib/package-root.js";
import { cacheFolder, run } from "./programs.js";

/** `agent` is the last Jaeger that listens on UDP, where old exporters send to. */
export type JaegerKind = "current" | "agent";

const versions = { current: "1.76.0", agent: "1.62.0" } as const;
const modules = { current: "test/tools/jaeger", agent: "test/tools/jaeger-agent" } as const;
const command = "github.com/jaegertracing/jaeger/cmd/all-in-one";
/** Some minutes on two cores, when nothing of it was ever built; for the timeouts of tests that may have to. */
export const jaegerBuildMsMax = 1_800_000;

/** The path of a real Jaeger, all of it in one program: built from source once, then kept for the next run. */
export async function jaegerProgram(kind: JaegerKind): Promise<string> {
  const program = join(cacheFolder, `jaeger-${versions[kind]}`);
  if (existsSync(program)) return program;
  mkdirSync(cacheFolder, { recursive: true });
  console.error(`building Jaeger ${versions[kind]}, which takes some minutes`);
  // Under its name only when it is complete.
  const partial = `${program}.${process.pid}`;
  const { code, stderr } = await run(
    "go",
    ["build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", partial, command],
    { cwd: join(packageRoot, modules[kind]), msMax: jaegerBuildMsMax },
  );
  if (code !== 0) throw new Error(`go build ${command}@v${versions[kind]}: ${stderr}`);
  renameSync(partial, program);
  return program;
}
