import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { fakeModel, fakeProcess } from "../../../../test/support/status-json.js";
import { summaryOf } from "./summary.js";

test("a mesh without trouble is told with its roles and processes", () => {
  const all = ["gateway", "ratelimit", "tokenizer", "inference"];
  deepEqual(summaryOf([fakeProcess({ roles: all })]), {
    level: "good",
    text: "All is well: gateway, ratelimit, tokenizer and inference in one process",
  });
  const two = [fakeProcess(), fakeProcess({ roles: ["inference"] })];
  deepEqual(summaryOf(two).text, "All is well: gateway and inference in 2 processes");
});

test("what is down comes first, and a role is down when nobody of it answers", () => {
  const silent = { roles: ["tokenizer"], answering: false };
  const gateway = fakeProcess({ ready: false });
  deepEqual(summaryOf([gateway, fakeProcess(silent)]), {
    level: "bad",
    text: "Tokenizer is down; gateway is not ready",
  });
  const living = fakeProcess({ roles: ["tokenizer"] });
  deepEqual(
    summaryOf([living, fakeProcess(silent)]).text,
    "1 of 2 processes of tokenizer do not answer",
  );
});

test("broken workers and open breakers are troubles", () => {
  const process = fakeProcess({
    models: [fakeModel({ healthy: false })],
    breakers: [
      { name: "redis", state: "BREAKER_STATE_OPEN", failures: 1 },
      { name: "quiet", state: "BREAKER_STATE_CLOSED", failures: 0 },
    ],
  });
  deepEqual(summaryOf([process]), {
    level: "warn",
    text: "Workers of model do not answer; the breaker of redis is open",
  });
});
