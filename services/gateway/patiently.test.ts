import { equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../lib/errors.js";
import { FakeClock } from "../../lib/fake-clock.js";
import { patiently } from "./patiently.js";

/** Work that fails by these errors, one after the other, and then succeeds. */
async function open(...errors: readonly MeshError[]) {
  const clock = new FakeClock();
  const controller = new AbortController();
  let tries = 0;
  const done = patiently(controller, clock, async () => {
    const error = errors[tries];
    tries += 1;
    if (error !== undefined) throw error;
    return "done";
  });
  done.catch(() => undefined);
  // Lets the first try fail, so that its wait begins at 0.
  await clock.moveTo(0);
  return { clock, controller, done, tries: () => tries };
}

test("who is told when to come back comes back then, and not before", async () => {
  const busy = new MeshError("overloaded", "busy", { retryAfterMs: 1_000 });
  const limited = new MeshError("limited", "too many", { retryAfterMs: 30 });
  const { clock, done, tries } = await open(busy, limited);
  await clock.moveTo(999);
  equal(tries(), 1);
  await clock.moveTo(1_000);
  equal(tries(), 2);
  await clock.moveTo(1_030);
  equal(await done, "done");
});

test("who is not told waits a little", async () => {
  const { clock, done } = await open(new MeshError("overloaded", "busy"));
  await clock.moveTo(100);
  equal(await done, "done");
});

test("what no wait can mend fails at once", async () => {
  for (const fault of ["limited", "invalid", "unavailable"] as const) {
    const { done, tries } = await open(new MeshError(fault, "for good"));
    await rejects(done, { fault });
    equal(tries(), 1);
  }
});

test("the wait ends with the stream", async () => {
  const { controller, done, tries } = await open(
    new MeshError("limited", "too many", { retryAfterMs: 60_000 }),
  );
  controller.abort(new MeshError("deadline", "over"));
  await rejects(done, { fault: "deadline" });
  equal(tries(), 1);
});
