import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { answerOf, type Fault, MeshError } from "../errors.js";
import { fromStatus, toStatusBytes } from "./status.js";

test("every fault arrives as itself on the other side of a wire", () => {
  for (const fault of Object.keys(answerOf) as Fault[]) {
    const statusBytes = toStatusBytes(new MeshError(fault, "why"), "id");
    const read = fromStatus({ code: answerOf[fault].code, message: "why", statusBytes });
    equal(read.fault, fault);
    equal(read.message, "why");
  }
});

test("fields, quotas and the time to retry arrive too", () => {
  const fields = [{ field: "inputs[0]", description: "empty" }];
  const quota = {
    ...{ subject: "ip:192.0.2.1", description: "no more" },
    ...{ quotaMetric: "requests", quotaId: "per-ip", quotaValue: 10n },
    quotaDimensions: { route: "POST /embed" },
  };
  const error = new MeshError("limited", "no", { fields, quotas: [quota], retryAfterMs: 1_500 });
  const { details } = fromStatus({
    code: 8,
    message: "no",
    statusBytes: toStatusBytes(error, "id"),
  });
  equal(details.retryAfterMs, 1_500);
  deepEqual(
    details.fields?.map(({ field, description }) => ({ field, description })),
    fields,
  );
  equal(details.quotas?.length, 1);
  deepEqual({ ...details.quotas?.[0], ...quota }, { ...details.quotas?.[0] });
});

test("an answer without details of ours is read by its code", () => {
  const read = (code: Code) => fromStatus({ code, message: "", statusBytes: undefined }).fault;
  equal(read(Code.Unavailable), "unavailable");
  equal(read(Code.DeadlineExceeded), "deadline");
  equal(read(Code.DataLoss), "internal");
});
