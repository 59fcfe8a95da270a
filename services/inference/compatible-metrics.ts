import type { Registry } from "prom-client";
import { registerDerived, renameHistogram } from "../../lib/metrics/derived.js";
import { registerNumber } from "../../lib/metrics/register.js";

/**
 * The names of the servers that this one takes over from, of what is known where models run. They are sums over all
 * models, read from the metrics by model.
 */
export function observeCompatible(registry: Registry, isModelLoaded: () => boolean): void {
  registerNumber(registry, {
    name: "arrowengine_model_loaded",
    help: "1 while the default model serves.",
    type: "gauge",
    read: () => (isModelLoaded() ? 1 : 0),
  });
  for (const name of ["queue_length", "te_queue_size"]) {
    registerDerived(registry, {
      name,
      help: "Sequences that wait for a worker.",
      type: "gauge",
      from: "arrowmesh_inference_queue_length",
      map: ({ value }) => ({ labels: {}, value }),
    });
  }
  for (const [name, from, help] of batches) {
    registerDerived(registry, {
      name,
      help,
      type: "histogram",
      from,
      map: renameHistogram(from, name, () => ({})),
    });
  }
}

const batches = [
  ["te_batch_next_size", "arrowmesh_inference_batch_sequences", "Sequences of a batch."],
  ["te_batch_next_tokens", "arrowmesh_inference_batch_tokens", "Tokens of a batch."],
] as const;
