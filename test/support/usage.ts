import type { Usage } from "../../services/gateway/operations/work.js";

/** What a made-up answer cost: so many tokens for each input, and no time. */
export function usageOf(
  tokenCounts: readonly number[],
  model: Partial<Pick<Usage, "model" | "version">> = {},
): Usage {
  return {
    model: model.model ?? "m",
    version: model.version ?? "1",
    tokenCounts,
    tokens: tokenCounts.reduce((total, count) => total + count, 0),
    characters: 0,
    timing: { totalMs: 0, tokenizationMs: 0, queueMs: 0, computeMs: 0 },
  };
}
