import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { systemClock } from "../lib/clock.js";
import { readConfig, text } from "../lib/config.js";
import { hubSchema } from "../lib/hub/config.js";
import type { PullEvent } from "../lib/hub/pull-task.js";

/** Settings of `arrowmesh pull`. */
export const pullSchema = {
  ...hubSchema,
  repository: {
    env: "MODEL_REPOSITORY",
    doc: "folder of models, as <name>/<version>/files",
    parse: text(),
    fallback: "models",
  },
} as const;

interface Flags {
  readonly revision?: string;
  readonly include: readonly string[];
  readonly repository?: string;
  readonly name?: string;
  readonly version?: number;
}

/** `arrowmesh pull org/name`: progress on stderr, the folder on stdout. */
export function createPullCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("pull")
    .description("Download a model of the Hugging Face hub, or check the one that is there.")
    .argument("<model>", "org/name, or org/name@revision")
    .option("--revision <revision>", "branch, tag or commit [main]")
    .option("--include <pattern>", "ONNX files to take, again for more [onnx/*.onnx]", append, [])
    .option("--repository <folder>", "folder of models [MODEL_REPOSITORY]")
    .option("--name <name>", "folder of this model [the name in org/name]")
    .option("--version <number>", "version to write [1]", toVersion)
    .action((model: string, flags: Flags) => pull(model, flags, env));
}

async function pull(source: string, flags: Flags, env: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(pullSchema, env);
  // Loaded here only: serving does not need the hub's library.
  const { pullModel } = await import("../lib/hub/pull-model.js");
  const end = new AbortController();
  const cancel = (): void => end.abort();
  process.once("SIGINT", cancel).once("SIGTERM", cancel);
  try {
    const { path, manifest, downloads } = await pullModel(
      {
        ...flags,
        source,
        repository: resolve(flags.repository ?? config.repository),
        signal: end.signal,
      },
      { config, clock: systemClock, random: Math.random, onEvent: createTeller() },
    );
    const count = Object.keys(manifest.files).length;
    say(`${manifest.source}@${manifest.revision}: ${count} files checked, ${downloads} downloaded`);
    process.stdout.write(`${path}\n`);
  } finally {
    process.off("SIGINT", cancel).off("SIGTERM", cancel);
  }
}

/** One line for each event, and one for each tenth of a file. */
function createTeller(): (event: PullEvent) => void {
  let tenths = 0;
  return (event) => {
    if (event.kind === "progress") {
      const now = Math.floor((event.bytes / event.size) * 10);
      if (now > tenths && now < 10) say(`  ${event.path}: ${now * 10} % of ${toMB(event.size)}`);
      tenths = now % 10;
    } else {
      say(toLine(event));
    }
  };
}

function toLine(event: Exclude<PullEvent, { kind: "progress" }>): string {
  switch (event.kind) {
    case "waiting":
      return "another pull writes to this folder; waiting for it";
    case "resolved":
      return `commit ${event.commit}, ${toMB(event.bytes)} to have`;
    case "kept":
      return `  ${event.path}: is there`;
    case "downloaded":
      return `  ${event.path}: ${toMB(event.size)} downloaded`;
    case "retrying":
      return `  ${event.what}: ${event.reason}; retry ${event.number} in ${event.waitMs} ms`;
  }
}

function toMB(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 3 : 0)} MB`;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function append(pattern: string, before: readonly string[]): string[] {
  return [...before, pattern];
}

function toVersion(raw: string): number {
  if (!/^[1-9]\d{0,14}$/.test(raw))
    throw new InvalidArgumentError("Expected a whole number from 1.");
  return Number(raw);
}
