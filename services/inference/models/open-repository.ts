import type { Registry } from "prom-client";
import { ConfigError } from "../../../lib/config.js";
import type { Release } from "../../../lib/defer.js";
import { toMeshError } from "../../../lib/errors.js";
import { ModelCatalog } from "../../../lib/model-catalog.js";
import type { InferenceConfig } from "../config.js";
import { createInferenceMetrics } from "../metrics.js";
import type { LoadDeps } from "./loaded-model.js";
import { Repository } from "./repository.js";

/**
 * Loads the default model, without which nothing starts, and then every other one; of those, one that cannot be
 * loaded is logged and left out.
 */
export async function openRepository(
  config: InferenceConfig,
  platform: Omit<LoadDeps, "metrics"> & {
    readonly registry: Registry;
    readonly defer: (release: Release) => void;
  },
): Promise<Repository> {
  const { clock, log, registry, defer } = platform;
  const catalog = new ModelCatalog(config);
  const metrics = createInferenceMetrics(registry, clock);
  const deps = { clock, log, metrics, random: Math.random };
  const repository = new Repository(catalog, config, deps);
  defer(() => repository.close());
  const [first, ...others] = catalog.list().map(({ name }) => name);
  try {
    await repository.load(first ?? "");
  } catch (thrown) {
    const error = toMeshError(thrown);
    throw new ConfigError([`MODEL_PATH=${config.modelPath}: ${causeOf(error)}`]);
  }
  for (const name of others) {
    // Why is in the log, and in the list of versions.
    await repository.load(name).catch(() => undefined);
  }
  return repository;
}

/** At the start, whoever reads this is the operator, who may know all. */
function causeOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
