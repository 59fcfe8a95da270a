import { deepEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { readTraceName } from "./trace-name.js";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

test("a trace is named by its id, with a span, or by the headers that carry it", () => {
  for (const [text, expected] of [
    [traceId, { traceId, spanId: undefined }],
    [` ${traceId.toUpperCase()}\n`, { traceId, spanId: undefined }],
    [`${traceId}/${spanId}`, { traceId, spanId }],
    [`00-${traceId}-${spanId}-01`, { traceId, spanId }],
    [`${traceId}:${spanId}:0:1`, { traceId, spanId }],
    // Jaeger says small ids with 16 digits.
    ["5c1", { traceId: "00000000000005c1", spanId: undefined }],
    [`5c1:${spanId}:0:3`, { traceId: "00000000000005c1", spanId }],
    [`${"0".repeat(16)}8448eb211c80319c`, { traceId: "8448eb211c80319c", spanId: undefined }],
    ["af7651916cd43dd8448eb211c80319c", { traceId, spanId: undefined }],
  ] as const) {
    deepEqual(readTraceName(text), expected, text);
  }
});

test("anything else is refused in one line", () => {
  for (const text of [
    "",
    "0",
    "0".repeat(32),
    "xyz",
    `${traceId}0`,
    `${traceId}/`,
    "../services",
  ]) {
    throws(() => readTraceName(text), {
      fault: "invalid",
      message: `${JSON.stringify(text)} is no trace id: expected up to 32 hexadecimal digits, not all 0`,
    });
  }
});
