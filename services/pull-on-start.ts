import { basename, join } from "node:path";
import { ConfigError, readConfig } from "../lib/config.js";
import { hubSchema } from "../lib/hub/config.js";
import { modelSchema } from "../lib/model-config.js";
import { findVersions } from "../lib/model-folder/versions.js";
import type { Platform } from "./platform.js";

/**
 * Brings the models of MODEL_PULL into the repository before anything is loaded from there. A hub that does not answer
 * stops the start only where an earlier pull left nothing to serve.
 */
export async function pullOnStart({ env, clock, log }: Platform): Promise<void> {
  const { modelsToPull, modelRepository } = readConfig(modelSchema, env);
  if (modelsToPull.length === 0) return;
  if (modelRepository === undefined) throw new ConfigError(["MODEL_PULL needs MODEL_REPOSITORY"]);
  const config = readConfig(hubSchema, env);
  // Loaded here only: serving does not need the hub's library.
  const { pullModel } = await import("../lib/hub/pull-model.js");
  for (const source of modelsToPull) {
    try {
      const options = { source, repository: modelRepository };
      const { manifest, downloads } = await pullModel(options, {
        config,
        clock,
        random: Math.random,
      });
      log.info({ source, revision: manifest.revision, downloads }, "model pulled");
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      if (!isThere(modelRepository, source)) {
        throw new ConfigError([`MODEL_PULL: ${source}: ${reason}`]);
      }
      log.warn({ source, reason }, "model not pulled; the one that is there serves");
    }
  }
}

function isThere(repository: string, source: string): boolean {
  const name = basename(source.split("@")[0] ?? "");
  try {
    return findVersions(join(repository, name)).length > 0;
  } catch {
    return false;
  }
}
