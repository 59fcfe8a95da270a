import type { Facts, Span } from "../../../lib/tracing/span.js";
import type { WorkOrder } from "./order.js";

/** What a model is used for. */
export type Operation = "embed" | "embed_tokens" | "embed_sparse" | "classify";

/**
 * What is known of work before it begins, by OpenTelemetry's conventions for generative AI. `model` is one that is served:
 * what callers write there may be anything.
 */
export function describeOrder(
  span: Span,
  operation: Operation | "tensors",
  { model, inputs, formats }: Pick<WorkOrder, "model" | "formats"> & { readonly inputs: number },
): void {
  if (!span.isRecording) return;
  span.describe(factsOf[operation]);
  if (model !== "") span.set("gen_ai.request.model", model);
  if (formats !== undefined) span.set("gen_ai.request.encoding_formats", [...formats]);
  span.set("arrowmesh.inputs", inputs);
}

const factsOf: Readonly<Record<Operation | "tensors", Facts>> = {
  embed: nameWork("embed", "embeddings"),
  embed_tokens: nameWork("embed_tokens", "embeddings"),
  embed_sparse: nameWork("embed_sparse", "embeddings"),
  classify: nameWork("classify", "classify"),
  tensors: nameWork("tensors", "tensors"),
};

function nameWork(own: string, conventional: string): Facts {
  return {
    "arrowmesh.operation": own,
    "gen_ai.operation.name": conventional,
    "gen_ai.provider.name": "arrowmesh",
  };
}

/** Which model answered. */
export function describeModel(
  span: Span,
  { model, version }: { readonly model: string; readonly version: string },
): void {
  span.set("gen_ai.response.model", model);
  span.set("arrowmesh.model.version", version);
}
