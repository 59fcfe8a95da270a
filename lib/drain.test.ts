import { equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { callContext } from "../test/support/call-context.js";
import { Drain } from "./drain.js";
import { FakeClock } from "./fake-clock.js";

const info = { role: "gateway", name: "POST /embed", protocol: "http" } as const;

test("draining waits for what was accepted and refuses what comes later", async () => {
  const drain = new Drain();
  const clock = new FakeClock();
  const accepted = drain.intercept(info, callContext());
  let isDrained = false;
  const drained = drain.begin(clock, 1_000).then(() => {
    isDrained = true;
  });
  throws(() => drain.intercept(info, callContext()), { fault: "unavailable" });
  await clock.moveTo(500);
  equal(isDrained, false);
  accepted?.end?.(undefined);
  await drained;
});

test("draining an idle process takes no time", async () => {
  await new Drain().begin(new FakeClock(), 1_000);
});

test("draining ends at its bound, whatever still runs", async () => {
  const drain = new Drain();
  const clock = new FakeClock();
  drain.intercept(info, callContext());
  const drained = drain.begin(clock, 1_000);
  await clock.moveTo(1_000);
  await drained;
});
