import { equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { callContext } from "../../test/support/call-context.js";
import { MeshError } from "../errors.js";
import { FakeClock } from "../fake-clock.js";
import type { CallContext } from "./call.js";
import { within } from "./within.js";

const error = () => new MeshError("unavailable", "too late");

/** Work that ends only by its signal. */
const wait = ({ signal }: CallContext): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("the work's signal aborts when its time is over", async () => {
  const clock = new FakeClock();
  const waiting = within(callContext(), { ms: 10, clock, error }, wait);
  const refused = rejects(waiting, { message: "too late" });
  await clock.moveTo(10);
  await refused;
});

test("the work's signal aborts with the caller's, for the caller's reason", async () => {
  const caller = new AbortController();
  const context = callContext({ signal: caller.signal });
  const waiting = within(context, { ms: 10, clock: new FakeClock(), error }, wait);
  caller.abort(new MeshError("cancelled", "the caller left"));
  await rejects(waiting, { fault: "cancelled" });
});

test("the work of a caller who has left fails, and so does work that never looks at its signal", async () => {
  const context = callContext({ signal: AbortSignal.abort(error()) });
  const clock = new FakeClock();
  await rejects(
    within(context, { ms: 10, clock, error }, async () => 1),
    { message: "too late" },
  );
  const deaf = within(callContext(), { ms: 10, clock, error }, () => new Promise(() => {}));
  const refused = rejects(deaf, { message: "too late" });
  await clock.moveTo(10);
  await refused;
});

test("work that ends in time gives its result, and leaves no timer", async () => {
  const clock = new FakeClock();
  equal(await within(callContext(), { ms: 10, clock, error }, async () => 7), 7);
  await clock.moveTo(10);
});
