import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../config.js";
import { FakeClock } from "../fake-clock.js";
import { tracingSchema } from "./config.js";
import { createExporter, exporterKinds } from "./exporters.js";

const endpoint = "http://127.0.0.1:4318";

/** What is set, and who exports. */
const cases: readonly (readonly [NodeJS.ProcessEnv, readonly string[]])[] = [
  [{}, []],
  [{ OTEL_TRACES_SAMPLER: "always_on" }, []],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, ["otlp"]],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint }, ["otlp"]],
  [{ OTEL_EXPORTER_JAEGER_ENDPOINT: endpoint }, ["jaeger"]],
  [{ OTEL_EXPORTER_JAEGER_AGENT_HOST: "agent" }, ["jaeger"]],
  [{ OTEL_TRACES_EXPORTER: "otlp, console,otlp" }, ["otlp", "console"]],
  [{ OTEL_TRACES_EXPORTER: "jaeger", OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, ["jaeger"]],
  [{ OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, []],
  [{ OTEL_TRACES_EXPORTER: "", OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, ["otlp"]],
  [{ OTEL_SDK_DISABLED: "true", OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, []],
  [{ OTEL_TRACES_SAMPLER: "always_off", OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, []],
];

test("traces go where a name or an endpoint says, and else nowhere", () => {
  for (const [env, expected] of cases) {
    deepEqual(exporterKinds(readConfig(tracingSchema, env)), expected, JSON.stringify(env));
  }
});

test("every exporter can be made, by each protocol", async () => {
  for (const [kind, protocol] of [
    ["otlp", "http/protobuf"],
    ["otlp", "http/json"],
    ["otlp", "grpc"],
    ["jaeger", "http/protobuf"],
    ["console", "http/protobuf"],
  ] as const) {
    const config = readConfig(tracingSchema, { OTEL_EXPORTER_OTLP_PROTOCOL: protocol });
    const options = { config, clock: new FakeClock(), redact: String };
    const exporter = await createExporter(kind, options);
    equal(exporter.open().size, 0);
    await exporter.shutdown();
  }
});
