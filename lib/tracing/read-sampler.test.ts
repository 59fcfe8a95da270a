import { equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import * as sdk from "@opentelemetry/sdk-trace";
import { ConfigError, readConfig } from "../config.js";
import { tracingSchema } from "./config.js";
import { readSampler } from "./read-sampler.js";

/** Of the two ids, a ratio of one half takes the first. */
const traceIds = [
  `${"0".repeat(18)}${"f".repeat(14)}`,
  `${"f".repeat(18)}${"0".repeat(14)}`,
] as const;
const callers = [undefined, 1, 0] as const;

/** By the setting: whether each of the ids is sampled without a caller's decision, with its yes, and with its no. */
const cases: readonly (readonly [NodeJS.ProcessEnv, readonly string[]])[] = [
  [{}, ["yn", "yy", "nn"]],
  [{ OTEL_TRACES_SAMPLER_ARG: "0" }, ["nn", "yy", "nn"]],
  [{ OTEL_TRACES_SAMPLER_ARG: "1" }, ["yy", "yy", "nn"]],
  [{ OTEL_TRACES_SAMPLER: "always_on" }, ["yy", "yy", "yy"]],
  [{ OTEL_TRACES_SAMPLER: "parentbased_always_on" }, ["yy", "yy", "nn"]],
  [{ OTEL_TRACES_SAMPLER: "parentbased_always_off" }, ["nn", "yy", "nn"]],
  [{ OTEL_TRACES_SAMPLER: "traceidratio" }, ["yy", "yy", "yy"]],
  [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: ".5" }, ["yn", "yn", "yn"]],
  [
    { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.5" },
    ["yn", "yy", "nn"],
  ],
];

for (const [env, expected] of cases) {
  test(`${JSON.stringify(env)} samples as OpenTelemetry says`, () => {
    const sampler = readSampler(readConfig(tracingSchema, env), sdk);
    for (const [index, traceFlags] of callers.entries()) {
      const decisions = traceIds.map((traceId) => {
        const span = {
          traceId,
          spanId: "1".repeat(16),
          traceFlags: traceFlags ?? 0,
          isRemote: true,
        };
        const origin =
          traceFlags === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, span);
        const { decision } = sampler.shouldSample(origin, traceId, "", 1, {}, []);
        return decision === sdk.SamplingDecision.RECORD_AND_SAMPLED ? "y" : "n";
      });
      equal(decisions.join(""), expected[index]);
    }
  });
}

test("settings that cannot be used are told by name", () => {
  const wrong = [
    { OTEL_TRACES_SAMPLER: "jaeger_remote" },
    { OTEL_TRACES_SAMPLER: "xray" },
    { OTEL_TRACES_SAMPLER_ARG: "1.5" },
    { OTEL_TRACES_SAMPLER_ARG: "-1" },
    { OTEL_TRACES_SAMPLER_ARG: "10%" },
    { OTEL_PROPAGATORS: "tracecontext,ottrace" },
    { OTEL_TRACES_EXPORTER: "zipkin" },
    { OTEL_NODE_RESOURCE_DETECTORS: "gcp" },
    { OTEL_EXPORTER_OTLP_PROTOCOL: "http" },
    { OTEL_BSP_MAX_QUEUE_SIZE: "0" },
    { TRACE_SLOW_MS: "1s" },
  ];
  for (const env of wrong) {
    const [name = "", value = ""] = Object.entries(env)[0] ?? [];
    throws(() => readConfig(tracingSchema, env), isAbout(name), `${name}=${value}`);
  }
});

test("a password in a URL that cannot be used is not repeated", () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "htp://user:hunter2@host" };
  throws(
    () => readConfig(tracingSchema, env),
    (error) => error instanceof ConfigError && !error.message.includes("hunter2"),
  );
});

function isAbout(name: string): (error: unknown) => boolean {
  return (error) => error instanceof ConfigError && error.message.includes(name);
}
