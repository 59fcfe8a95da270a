// Why a call gets no numbers. The words are Triton's or text-embeddings-inference's, which clients match on.

import { MeshError } from "../../../lib/errors.js";

const retryAfterMs = 1_000;

export function queueFull(): MeshError {
  return new MeshError("overloaded", "Model is overloaded", { retryAfterMs });
}

export function queueExpired(): MeshError {
  return new MeshError("unavailable", "Request timeout expired", { retryAfterMs });
}

export function workerDied(): MeshError {
  return new MeshError("unavailable", "the model worker died", { retryAfterMs });
}

export function modelClosed(): MeshError {
  return new MeshError("unavailable", "the model is not served any more", { retryAfterMs });
}

export function modelFailed(cause: unknown): MeshError {
  return new MeshError("internal", "the model failed", { cause });
}
