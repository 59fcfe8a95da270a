import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../lib/clock.js";
import { MeshError } from "../../lib/errors.js";
import type { CallSignal } from "../../lib/rpc/call-signal.js";
import { callContext } from "../../test/support/call-context.js";
import { collect, each } from "../../test/support/messages.js";
import { seeded } from "../../test/support/random.js";
import { answerUntilError } from "./answer-until-error.js";

const options = { window: 4, clock: systemClock };

test("answers come in the order of the messages, a window of them at once", async (t) => {
  const { int } = seeded(t);
  let inWork = 0;
  let inWorkMax = 0;
  const numbers = Array.from({ length: 200 }, (_, index) => index);
  const answers = answerUntilError(each(numbers), callContext(), options, async (number) => {
    inWork += 1;
    inWorkMax = Math.max(inWorkMax, inWork);
    for (let turns = int(5); turns > 0; turns -= 1) await new Promise(setImmediate);
    inWork -= 1;
    return number;
  });
  deepEqual(await collect(answers), numbers);
  equal(inWorkMax, options.window);
});

test("the first bad message ends the stream, after all answers before it", async (t) => {
  const { int } = seeded(t);
  const bad = new Set([20 + int(20), 60]);
  const first = Math.min(...bad);
  const numbers = Array.from({ length: 100 }, (_, index) => index);
  const seen: number[] = [];
  const signals: CallSignal[] = [];
  const answers = answerUntilError(each(numbers), callContext(), options, async (number, inner) => {
    signals.push(inner.signal);
    for (let turns = int(5); turns > 0; turns -= 1) await new Promise(setImmediate);
    if (bad.has(number)) throw new MeshError("invalid", `bad ${number}`);
    return number;
  });
  const read = async () => {
    for await (const answer of answers) seen.push(answer);
  };
  await rejects(read(), { fault: "invalid", message: `bad ${first}` });
  deepEqual(seen, numbers.slice(0, first));
  ok(signals.length <= first + options.window);
  ok(signals.every((signal) => signal.aborted));
});

test("who leaves ends what is in work, and so does the deadline", async () => {
  const signals: CallSignal[] = [];
  const hang = async (number: number, { signal }: { readonly signal: CallSignal }) => {
    signals.push(signal);
    if (number > 0) await new Promise((_, reject) => signal.addEventListener("abort", reject));
    return number;
  };
  for await (const _ of answerUntilError(each([0, 1, 2]), callContext(), options, hang)) break;
  ok(signals.length > 0 && signals.every((signal) => signal.aborted));

  const controller = new AbortController();
  const context = callContext({ signal: controller.signal });
  const answers = answerUntilError(each([1]), context, options, async (_, { signal }) => {
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  const read = collect(answers);
  await new Promise(setImmediate);
  controller.abort(new MeshError("deadline", "over"));
  await rejects(read, { fault: "deadline" });
});
