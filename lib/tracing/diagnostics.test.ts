import { deepEqual, equal, ok } from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { diag } from "@opentelemetry/api";
import { pino } from "pino";
import { FakeClock } from "../fake-clock.js";
import { createRedactor } from "../logging/redactor.js";
import { createWarning, logDiagnostics } from "./diagnostics.js";

test("an exporter that fails is named once a minute, with its reason and without its secrets", async () => {
  const { options, clock, lines } = setUp({ OTEL_EXPORTER_OTLP_HEADERS: "api-key=hunter22" });
  const warn = createWarning("otlp", options);
  const other = createWarning("jaeger", options);
  for (let i = 0; i < 100; i += 1) warn(`401 for hunter22, try ${i}`);
  other("ECONNREFUSED");
  await clock.moveTo(59_999);
  warn("too soon");
  await clock.moveTo(60_000);
  warn(`later ${"x".repeat(10_000)}`);
  deepEqual(
    lines().map(({ exporter, reason }) => [exporter, reason?.slice(0, 26)]),
    [
      ["otlp", "401 for [secret], try 0"],
      ["jaeger", "ECONNREFUSED"],
      ["otlp", `later ${"x".repeat(20)}`],
    ],
  );
  ok((lines()[2]?.reason?.length ?? 0) <= 500);
});

test("OpenTelemetry's own warnings reach the log, some of many, until they are taken out", () => {
  const { options, lines } = setUp({ OTEL_EXPORTER_JAEGER_PASSWORD: "hunter22" });
  const release = logDiagnostics(options);
  diag.info("not told");
  for (let i = 0; i < 100; i += 1) diag.warn("a bad setting", "hunter22", i);
  release();
  diag.error("told to nobody");
  equal(lines().length, 10);
  equal(lines()[0]?.reason, "a bad setting [secret] 0");
});

function setUp(env: NodeJS.ProcessEnv) {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const clock = new FakeClock();
  return {
    clock,
    options: { log: pino({ base: null }, stream), clock, redact: createRedactor(env) },
    lines: () => written.map((line) => JSON.parse(line) as { exporter?: string; reason?: string }),
  };
}
