import type { Span } from "../../../lib/tracing/span.js";
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
  span.set("arrowmesh.operation", operation);
  span.set("gen_ai.operation.name", operation.startsWith("embed") ? "embeddings" : operation);
  span.set("gen_ai.provider.name", "arrowmesh");
  if (model !== "") span.set("gen_ai.request.model", model);
  if (formats !== undefined) span.set("gen_ai.request.encoding_formats", [...formats]);
  span.set("arrowmesh.inputs", inputs);
}

/** Which model answered. */
export function describeModel(
  span: Span,
  { model, version }: { readonly model: string; readonly version: string },
): void {
  span.set("gen_ai.response.model", model);
  span.set("arrowmesh.model.version", version);
}
