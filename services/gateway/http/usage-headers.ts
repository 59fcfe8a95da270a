import type { FastifyReply } from "fastify";
import type { Usage } from "../operations/work.js";

/**
 * What an answer cost, as text-embeddings-inference says it: times in whole milliseconds, and a compute type that is the
 * same whatever the hardware.
 */
export function addUsageHeaders(
  reply: FastifyReply,
  { characters, tokenCounts, timing }: Pick<Usage, "characters" | "tokenCounts" | "timing">,
): void {
  const totalMs = Math.floor(timing.totalMs);
  void reply.headers({
    "x-compute-type": "gpu+optimized",
    "x-compute-time": totalMs,
    "x-compute-characters": characters,
    "x-compute-tokens": tokenCounts.reduce((total, count) => total + count, 0),
    "x-total-time": totalMs,
    "x-tokenization-time": Math.floor(timing.tokenizationMs),
    "x-queue-time": Math.floor(timing.queueMs),
    "x-inference-time": Math.floor(timing.computeMs),
  });
}
