import { match, notEqual } from "node:assert/strict";
import { test } from "node:test";
import { beginTrace } from "./trace-parent.js";

test("a trace begins as W3C Trace Context writes it, and says whether it is to be kept", () => {
  const { traceId, header } = beginTrace(true);
  match(header, new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  match(traceId, /^[0-9a-f]{32}$/);
  match(beginTrace(false).header, /-00$/);
  notEqual(beginTrace(false).traceId, traceId);
});
