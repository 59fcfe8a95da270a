import type { Registry } from "prom-client";
import type { Clock } from "../../lib/clock.js";
import { LightHistogram } from "../../lib/light-histogram.js";
import { ByLabel } from "../../lib/metrics/by-label.js";
import { registerMetric } from "../../lib/metrics/register.js";
import type { WorkCounts } from "./operations/work-counts.js";

/** From a remembered vector to a request that waits as long as it may. */
const seconds = [
  0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** Where the time of answered requests went, and their tokens, by the model that answered. */
export function createWorkMetrics(platform: {
  readonly registry: Registry;
  readonly clock: Clock;
}): WorkCounts {
  const histogram = (name: string, help: string): LightHistogram =>
    new LightHistogram({
      name: `arrowmesh_gateway_${name}_seconds`,
      help: `${help}, in seconds.`,
      buckets: seconds,
      ...platform,
    });
  const request = histogram("request", "Time of an answered request, waits for limits included");
  const tokenization = histogram("tokenization", "Time until an answered request had its tokens");
  const queue = histogram("queue", "Wait for a batch, of requests that the model ran for");
  const compute = histogram("compute", "Time of the model's run, of requests that it ran for");
  const models = new ByLabel((model) => ({
    request: request.series({ model }),
    tokenization: tokenization.series({ model }),
    queue: queue.series({ model }),
    compute: compute.series({ model }),
    tokens: 0,
  }));
  registerMetric(platform.registry, {
    name: "arrowmesh_gateway_tokens_total",
    help: "Tokens of answered requests, remembered ones included.",
    type: "counter",
    read: () =>
      [...models.entries()].map(([model, { tokens: value }]) => ({ labels: { model }, value })),
  });
  return {
    answered({ usage, requestMs, isComputed, exemplarId }) {
      const { timing } = usage;
      const of = models.of(usage.model);
      of.tokens += usage.tokens;
      of.request.observe(requestMs / 1_000, exemplarId);
      of.tokenization.observe(timing.tokenizationMs / 1_000, exemplarId);
      if (!isComputed) return;
      of.queue.observe(timing.queueMs / 1_000, exemplarId);
      of.compute.observe(timing.computeMs / 1_000, exemplarId);
    },
    // Calls that fail are in arrowmesh_call_duration_seconds, by what was wrong.
    failed() {},
  };
}
