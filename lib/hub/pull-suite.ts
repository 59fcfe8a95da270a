// What the tests of pulls share: a hub, an empty repository, and the pull between them.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../clock.js";
import { readConfig } from "../config.js";
import { hubSchema } from "./config.js";
import { FakeHub } from "./fake-hub.js";
import { pullModel } from "./pull-model.js";
import type { PullEvent, PulledModel, PullOptions } from "./pull-task.js";

/** A model of two small files and one large one, which differs by its text. */
export function modelFiles(text = "first"): Record<string, string | Buffer> {
  return {
    "config.json": JSON.stringify({ text }),
    "tokenizer.json": "{}",
    "1_Pooling/config.json": "",
    "onnx/model.onnx": Buffer.from(`${text} `.repeat(50_000)),
    "pytorch_model.bin": "pickle",
  };
}

export interface Setting {
  readonly hub: FakeHub;
  readonly repository: string;
  /** The version folder that a pull writes by default. */
  readonly folder: string;
  readonly events: PullEvent[];
  /** Pulls org/name with these settings besides short waits. */
  pull(more?: Partial<PullOptions>, env?: NodeJS.ProcessEnv): Promise<PulledModel>;
}

/** Runs `use` with a hub and a folder of its own. */
export async function withHub(use: (setting: Setting) => Promise<void>): Promise<void> {
  const hub = await FakeHub.start();
  const repository = mkdtempSync(join(tmpdir(), "arrowmesh-hub-"));
  const events: PullEvent[] = [];
  try {
    await use({
      hub,
      repository,
      folder: join(repository, "name/1"),
      events,
      pull: async (more = {}, env = {}) =>
        await pullModel(
          { source: "org/name", repository, ...more },
          {
            config: readConfig(hubSchema, { ...settingsOf(hub), ...env }),
            clock: systemClock,
            random: () => 0.5,
            onEvent: (event) => {
              if (event.kind === "progress") hub.writtenBytes = event.bytes;
              events.push(event);
            },
          },
        ),
    });
  } finally {
    await hub.stop();
    rmSync(repository, { recursive: true });
  }
}

export function settingsOf({ endpoint }: FakeHub): NodeJS.ProcessEnv {
  return {
    HF_ENDPOINT: endpoint,
    PULL_RETRIES_MAX: "2",
    PULL_RETRY_WAIT_MS: "1",
    PULL_IDLE_TIMEOUT_MS: "5000",
  };
}

/** Every file under a folder, with its text. */
export function readTree(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const files = paths.filter((path) => statSync(join(folder, path)).isFile());
  return Object.fromEntries(files.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}
