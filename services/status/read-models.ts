import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Registry } from "prom-client";
import type { ModelStatusSchema } from "../../gen/arrowmesh/status/v1/status_pb.js";
import { type Buckets, readHistograms, readSeries, type Series } from "./registry-reader.js";

/** The models that this process serves; none where it serves none. */
export async function readModels(
  registry: Registry,
): Promise<MessageInitShape<typeof ModelStatusSchema>[]> {
  const name = (of: string) => `arrowmesh_inference_${of}`;
  const healthy = await readSeries(registry, name("model_healthy"));
  if (healthy.length === 0) return [];
  const numbers = async (of: string) => byModel(await readSeries(registry, name(of)), 0);
  const histograms = async (of: string) =>
    byModel(await readHistograms(registry, name(of)), nothing);
  const queueLength = await numbers("queue_length");
  const tokens = await numbers("tokens_total");
  const padding = await numbers("padding_tokens_total");
  const shed = await numbers("shed_total");
  const expired = await numbers("expired_total");
  const restarts = await numbers("worker_restarts_total");
  const queueSeconds = await histograms("queue_seconds");
  const computeSeconds = await histograms("compute_seconds");
  const batchSequences = await histograms("batch_sequences");
  return healthy.map(({ labels, value }) => {
    const model = String(labels.model);
    return {
      name: model,
      healthy: value === 1,
      queueLength: queueLength(model),
      queueSeconds: queueSeconds(model),
      computeSeconds: computeSeconds(model),
      batchSequences: batchSequences(model),
      tokens: tokens(model),
      paddingTokens: padding(model),
      shed: shed(model),
      expired: expired(model),
      workerRestarts: restarts(model),
    };
  });
}

/** The values of a metric by its label `model`; of other models, `absent`. */
function byModel<T>(series: readonly Series<T>[], absent: T) {
  const values = new Map(series.map(({ labels, value }) => [labels.model, value]));
  return (model: string) => values.get(model) ?? absent;
}

const nothing: Buckets = { bounds: [], counts: [], sum: 0 };
