import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { callContext } from "../../test/support/call-context.js";
import { MeshError } from "../errors.js";
import { FakeClock } from "../fake-clock.js";
import { createLog, type LogLevel } from "../log.js";
import type { CallContext } from "../rpc/call.js";
import { type CallRecord, createCallRecord, recordFailure } from "../rpc/call-record.js";
import { errorOf, toStatus } from "../rpc/status.js";
import { noSpan } from "../tracing/span.js";
import { logAccess } from "./access-log.js";
import type { CallInfo } from "./interceptor.js";
import { observeCalls } from "./observe.js";

const http: CallInfo = { role: "gateway", name: "POST /embed", protocol: "http" };
const grpc: CallInfo = { role: "gateway", name: "a.B/C", protocol: "grpc" };

interface Call {
  readonly info?: CallInfo;
  readonly context?: Partial<CallContext>;
  readonly record?: Partial<CallRecord>;
  readonly error?: MeshError;
  readonly level?: LogLevel;
  readonly isPersonalDataLogged?: boolean;
}

/** The lines of one call that took 12.345 ms, without their time. */
async function linesOf(call: Call): Promise<Record<string, unknown>[]> {
  const { info = http, level = "info", isPersonalDataLogged = false } = call;
  const lines: string[] = [];
  const clock = new FakeClock();
  const log = createLog(level, { write: (line) => lines.push(line) });
  const callRecord = Object.assign(createCallRecord(), call.record);
  const context = callContext({ callRecord, ...call.context });
  const intercept = observeCalls(clock, [logAccess(log, { isPersonalDataLogged })]);
  const interception = intercept(info, context);
  await clock.moveTo(12.345);
  interception?.end?.(call.error);
  return lines.map((line) => {
    const { time, ...fields } = JSON.parse(line);
    ok(!Number.isNaN(Date.parse(time)));
    return fields;
  });
}

test("a line says who asked for what, how it ended and what it cost", async () => {
  const lines = await linesOf({
    context: { trace: { ...noSpan, traceId: "ab", exemplarId: () => "ab" } },
    record: {
      caller: { apiKey: "k1", tier: "gold", user: "alice", route: "POST /embed" },
      ...{ model: "m", version: "2", httpStatus: 200 },
      ...{ inputs: 3, cachedInputs: 1, tokens: 21 },
      ...{ tokenizationMs: 0.1, queueMs: 1.004, computeMs: 3 },
      limits: { requests: [], tokens: [], isDegraded: true },
    },
  });
  deepEqual(lines, [
    {
      ...{ level: "info", message: "call", request_id: "test", trace_id: "ab", traced: true },
      ...{ role: "gateway", route: "POST /embed", protocol: "http" },
      ...{ status: "ok", http_status: 200, duration_ms: 12.35 },
      ...{ key_id: "k1", tier: "gold", model: "m", version: "2" },
      ...{ inputs: 3, cached: 1, tokens: 21, degraded: true },
      ...{ tokenization_ms: 0.1, queue_ms: 1, compute_ms: 3 },
    },
  ]);
});

test("a line of a call without work has no fields of work, and no personal data", async () => {
  const caller = { apiKey: "", tier: "", user: "alice", route: "a.B/C" };
  deepEqual(await linesOf({ info: grpc, record: { caller } }), [
    {
      ...{ level: "info", message: "call", request_id: "test" },
      ...{ role: "gateway", route: "a.B/C", protocol: "grpc" },
      ...{ status: "ok", rpc_code: "OK", duration_ms: 12.35 },
    },
  ]);
});

test("personal data is there when that is asked for", async () => {
  const caller = { apiKey: "", tier: "", user: "alice", route: "" };
  const [line] = await linesOf({ record: { caller }, isPersonalDataLogged: true });
  equal(line?.user, "alice");
  equal(line?.client_ip, "192.0.2.1");
});

for (const [info, error, level, status] of [
  [http, new MeshError("invalid", "no"), "info", { http_status: 422 }],
  [http, new MeshError("cancelled", "left"), "info", { http_status: 499 }],
  [grpc, new MeshError("cancelled", "left"), "info", { rpc_code: "CANCELLED" }],
  [grpc, new MeshError("limited", "no"), "info", { rpc_code: "RESOURCE_EXHAUSTED" }],
  [grpc, new MeshError("unavailable", "gone"), "warn", { rpc_code: "UNAVAILABLE" }],
  [http, new MeshError("deadline", "late"), "warn", { http_status: 504 }],
] as const) {
  test(`${error.fault} over ${info.protocol} is logged as ${level}`, async () => {
    const [line, ...more] = await linesOf({ info, error });
    equal(more.length, 0);
    equal(line?.level, level);
    equal(line?.status, error.fault);
    for (const [name, value] of Object.entries(status)) equal(line?.[name], value);
    // What a caller did wrong may quote what the caller wrote.
    equal(line?.reason, level === "warn" ? error.message : undefined);
    equal(line?.cause, undefined);
  });
}

test("the status that was sent goes before the one that the fault has by itself", async () => {
  const error = new MeshError("invalid", "no");
  const [line] = await linesOf({ record: { httpStatus: 400 }, error });
  equal(line?.http_status, 400);
});

test("a bug is one line, with its cause, at level error", async () => {
  const error = new MeshError("internal", "internal error", { cause: new TypeError("oops") });
  const [line, ...more] = await linesOf({ error, level: "error" });
  equal(more.length, 0);
  equal(line?.level, "error");
  equal(line?.reason, "internal error");
  match(String(line?.cause), /^TypeError: oops\n +at /);
});

test("a bug without a cause shows where it was found", async () => {
  const [line] = await linesOf({ error: new MeshError("internal", "left out") });
  match(String(line?.cause), /left out\n +at .*access-log\.test/);
});

test("a bug of another process is no bug of this one: its cause stands there", async () => {
  const there = new MeshError("internal", "internal error", { cause: new Error("oops") });
  const here = errorOf(toStatus(there, "r"));
  const [line] = await linesOf({ error: here });
  equal(line?.level, "warn");
  equal(line?.status, "internal");
  equal(line?.cause, undefined);
});

test("a stream that went on after errors tells their number, and the first bug", async () => {
  const callRecord = createCallRecord();
  recordFailure(callRecord, new MeshError("invalid", "no"));
  recordFailure(callRecord, new MeshError("internal", "internal error", { cause: "first" }));
  recordFailure(callRecord, new MeshError("internal", "internal error", { cause: "second" }));
  const [line] = await linesOf({ info: grpc, context: { callRecord } });
  equal(line?.level, "error");
  equal(line?.status, "ok");
  equal(line?.failed_messages, 3);
  equal(line?.cause, "first");
});

test("levels that are off cost no line", async () => {
  deepEqual(await linesOf({ level: "warn" }), []);
  deepEqual(await linesOf({ level: "error", error: new MeshError("deadline", "late") }), []);
});
