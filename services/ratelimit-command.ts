import { Command } from "commander";
import { InvalidFiles } from "./ratelimit/files/invalid-files.js";

/** `arrowmesh ratelimit check FILE…`: what files of limits say, or every mistake in them and exit code 1. */
export function createRatelimitCommand(env: NodeJS.ProcessEnv): Command {
  const check = new Command("check")
    .description("Read files of limits as the service would, and say what is in them.")
    .argument("<file...>", "files, or folders of them: policies, or envoyproxy/ratelimit's")
    .action((paths: readonly string[]) => checkAll(paths, env));
  return new Command("ratelimit").description("Work with files of limits.").addCommand(check);
}

async function checkAll(paths: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  // Loaded here only: no other command reads files of limits.
  const { checkFile } = await import("./ratelimit/check-file.js");
  for (const path of paths) {
    try {
      const { limits, table } = await checkFile(path, env);
      process.stdout.write(`${path}: ok, ${limits} ${limits === 1 ? "limit" : "limits"}\n${table}`);
    } catch (error) {
      if (!(error instanceof InvalidFiles)) throw error;
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    }
  }
}
