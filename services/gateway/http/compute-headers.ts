import type { Usage } from "../operations/work.js";

/** What an answer cost, in the headers of text-embeddings-inference; over gRPC they are initial metadata. */
export function computeHeaders({ tokens, characters, timing }: Usage): ComputeHeaders {
  const totalMs = whole(timing.totalMs);
  return {
    // The one value that text-embeddings-inference ever sends, whatever the hardware.
    "x-compute-type": "gpu+optimized",
    "x-compute-time": totalMs,
    "x-compute-characters": String(characters),
    "x-compute-tokens": String(tokens),
    "x-total-time": totalMs,
    "x-tokenization-time": whole(timing.tokenizationMs),
    "x-queue-time": whole(timing.queueMs),
    "x-inference-time": whole(timing.computeMs),
  };
}

type ComputeHeaders = Record<keyof typeof computeHeaderMeanings, string>;

/** What each of them says. */
export const computeHeaderMeanings = {
  "x-compute-type": "Always the same; the original sends it, too.",
  "x-compute-time": "Milliseconds that the request took in all.",
  "x-compute-characters": "Characters of all texts.",
  "x-compute-tokens": "Tokens of all texts.",
  "x-total-time": "Milliseconds that the request took in all.",
  "x-tokenization-time": "Milliseconds of tokenization.",
  "x-queue-time": "Milliseconds of waiting for the model.",
  "x-inference-time": "Milliseconds of the model.",
} as const;

function whole(ms: number): string {
  return String(Math.floor(ms));
}
