import { equal, match } from "node:assert/strict";
import { test } from "node:test";
import { RandomIds } from "./random-ids.js";

test("ids have their digits, and no two are the same", () => {
  const ids = new RandomIds();
  const seen = new Set<string>();
  for (let i = 0; i < 2_000; i += 1) {
    const traceId = ids.generateTraceId();
    match(traceId, /^[0-9a-f]{32}$/);
    seen.add(traceId.slice(0, 16)).add(traceId.slice(16));
    const spanId = ids.generateSpanId();
    match(spanId, /^[0-9a-f]{16}$/);
    seen.add(spanId);
  }
  equal(seen.size, 6_000);
});
