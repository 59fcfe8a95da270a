import type { Registry } from "prom-client";
import type { Clock } from "../../lib/clock.js";
import { answerOf, type Fault } from "../../lib/errors.js";
import { LightHistogram } from "../../lib/light-histogram.js";
import { ByLabel } from "../../lib/metrics/by-label.js";
import { registerDerived, renameHistogram } from "../../lib/metrics/derived.js";
import { registerMetric, type Sample } from "../../lib/metrics/register.js";
import type { WorkCounts } from "./operations/work-counts.js";

/** Bounds that dashboards of the single-process server know. */
const latencyBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** The names of the servers that this one takes over from, so that their dashboards and alerts go on working. */
export function createCompatibleMetrics(platform: {
  readonly registry: Registry;
  readonly clock: Clock;
}): WorkCounts {
  const { registry } = platform;
  deriveRequests(registry);
  derivePredictionLatency(registry);
  const latency = new LightHistogram({
    name: "arrowengine_inference_latency_seconds",
    help: "Time of an answered request for a model, in seconds.",
    buckets: latencyBuckets,
    ...platform,
  });
  const endpoints = new ByLabel((route) => latency.series({ endpoint: endpointOf(route) }));
  const predictions = countPredictions(registry);
  return {
    answered({ usage, requestMs, context, exemplarId }) {
      const endpoint = endpoints.of(context.caller?.route ?? "");
      endpoint.observe(requestMs / 1_000, exemplarId);
      predictions.of(usage.model).success += 1;
    },
    failed({ model }) {
      predictions.of(model).error += 1;
    },
  };
}

/** Calls at the edge by their HTTP status; of RPC, by the status that the same refusal has over HTTP. */
function deriveRequests(registry: Registry): void {
  const from = "arrowmesh_call_duration_seconds";
  registerDerived(registry, {
    name: "arrowengine_request_total",
    help: "Requests by HTTP status and endpoint.",
    type: "counter",
    from,
    map({ metricName, labels, value }): Sample | undefined {
      if (metricName !== `${from}_count`) return undefined;
      const { role, protocol, method: route, status } = labels;
      if (role !== "gateway" || protocol === "local") return undefined;
      const [method, endpoint] = methodAndEndpoint(String(route));
      return { labels: { method, endpoint, status: httpStatusOf(String(status)) }, value };
    },
  });
}

function httpStatusOf(status: string): string {
  // Calls that did not fail are called `ok`, and all others by their fault.
  return status === "ok" ? "200" : String(answerOf[status as Fault].httpStatus);
}

/** `POST /embed` is a route; anything else is a method of a service, which is POSTed to its name. */
function methodAndEndpoint(route: string): readonly [method: string, endpoint: string] {
  const [method = "", path] = route.split(" ");
  return path === undefined ? ["POST", `/${method}`] : [method, path];
}

function endpointOf(route: string): string {
  return methodAndEndpoint(route)[1];
}

function derivePredictionLatency(registry: Registry): void {
  const [name, from] = ["prediction_latency_seconds", "arrowmesh_gateway_request_seconds"];
  registerDerived(registry, {
    name,
    help: "Time of an answered request for a model, in seconds.",
    type: "histogram",
    from,
    map: renameHistogram(from, name, (labels) => labels),
  });
}

/** By model; requests for one that is not served share a name. */
function countPredictions(registry: Registry): {
  of(model: string): { success: number; error: number };
} {
  const models = new ByLabel(() => ({ success: 0, error: 0 }));
  registerMetric(registry, {
    name: "predictions_total",
    help: "Requests for a model, by whether they were answered.",
    type: "counter",
    read: () =>
      [...models.entries()].flatMap(([model, counts]) =>
        Object.entries(counts).map(([status, value]) => ({ labels: { model, status }, value })),
      ),
  });
  return { of: (model) => models.of(model === "" ? "unknown" : model) };
}
