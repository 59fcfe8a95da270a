import type { Usage } from "../operations/work.js";

/** What an answer cost, in the headers of text-embeddings-inference; over gRPC they are initial metadata. */
export function computeHeaders({ tokenCounts, characters, timing }: Usage): [string, string][] {
  const tokens = tokenCounts.reduce((total, count) => total + count, 0);
  const facts = {
    // The one value that text-embeddings-inference ever sends, whatever the hardware.
    "x-compute-type": "gpu+optimized",
    "x-compute-time": timing.totalMs,
    "x-compute-characters": characters,
    "x-compute-tokens": tokens,
    "x-total-time": timing.totalMs,
    "x-tokenization-time": timing.tokenizationMs,
    "x-queue-time": timing.queueMs,
    "x-inference-time": timing.computeMs,
  };
  return Object.entries(facts).map(([name, value]) => [
    name,
    typeof value === "string" ? value : String(Math.floor(value)),
  ]);
}

/** What each of them says. */
export const computeHeaderMeanings: Readonly<Record<string, string>> = {
  "x-compute-type": "Always the same; the original sends it, too.",
  "x-compute-time": "Milliseconds that the request took in all.",
  "x-compute-characters": "Characters of all texts.",
  "x-compute-tokens": "Tokens of all texts.",
  "x-total-time": "Milliseconds that the request took in all.",
  "x-tokenization-time": "Milliseconds of tokenization.",
  "x-queue-time": "Milliseconds of waiting for the model.",
  "x-inference-time": "Milliseconds of the model.",
};
