import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { callContext } from "../../test/support/call-context.js";
import { MeshError } from "../errors.js";
import { FakeClock } from "../fake-clock.js";
import { fakeTracing } from "../tracing/fake-tracing.js";
import { type EndedCall, observeCalls } from "./observe.js";

const info = { role: "gateway", name: "POST /embed", protocol: "http" } as const;

/** Time passes with every look at it. */
class RestlessClock extends FakeClock {
  #looks = 0;

  override nowMs(): number {
    this.#looks += 1;
    return this.#looks;
  }
}

test("a call's span and all who observe it hear of the same times, and of what was wrong", () => {
  const clock = new RestlessClock();
  const tracing = fakeTracing(clock);
  const heard: EndedCall[] = [];
  const observe = (call: EndedCall) => void heard.push({ ...call });
  const intercept = observeCalls(clock, [observe, observe]);
  const call = intercept(info, callContext({ trace: tracing.begin() }));
  const error = new MeshError("invalid", "wrong");
  call?.end?.(error);
  const [span] = tracing.exported;
  deepEqual([span?.startMs, span?.endMs, span?.error], [1, 2, error]);
  equal(heard.length, 2);
  for (const { beganAtMs, endMs, error, context } of heard) {
    deepEqual([beganAtMs, endMs, error], [span?.startMs, span?.endMs, span?.error]);
    equal(context.trace, span);
  }
});

test("a call that nobody traces is observed with its own context", () => {
  const heard: EndedCall[] = [];
  const intercept = observeCalls(new FakeClock(), [(call) => void heard.push(call)]);
  const context = callContext();
  intercept(info, context)?.end?.(undefined);
  equal(heard[0]?.context, context);
});
