import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../lib/errors.js";
import { seeded } from "../../test/support/random.js";
import { Admission } from "./admission.js";

test("inputs are admitted until their number is reached, and again when some have left", () => {
  const shed: number[] = [];
  const admission = new Admission(10, (inputs) => shed.push(inputs));
  admission.enter(9);
  admission.enter(3);
  throws(() => admission.enter(2), {
    fault: "overloaded",
    message: "Model is overloaded",
    details: { retryAfterMs: 1_000 },
  });
  equal(admission.inputs, 12);
  admission.leave(3);
  admission.enter(1);
  throws(() => admission.enter(1), { fault: "overloaded" });
  deepEqual(shed, [2, 1]);
});

test("what is in work is bounded by the maximum plus one request, and ends at nothing", (t) => {
  const random = seeded(t);
  const [inputsMax, requestMax] = [50, 32];
  let shed = 0;
  const admission = new Admission(inputsMax, () => {
    shed += 1;
  });
  const inWork: number[] = [];
  let refused = 0;
  for (let i = 0; i < 10_000; i += 1) {
    const inputs = random.int(requestMax + 1);
    const isFull = admission.inputs >= inputsMax;
    if (random.int(2) === 0 && inWork.length > 0) {
      admission.leave(inWork.splice(random.int(inWork.length), 1)[0] ?? 0);
    } else if (isFull) {
      throws(() => admission.enter(inputs), { fault: "overloaded" });
      refused += 1;
    } else {
      admission.enter(inputs);
      inWork.push(inputs);
    }
    equal(
      admission.inputs,
      inWork.reduce((sum, inputs) => sum + inputs, 0),
    );
    equal(admission.inputs < inputsMax + requestMax, true);
  }
  for (const inputs of inWork) admission.leave(inputs);
  equal(admission.inputs, 0);
  equal(shed, refused);
});

test("a request that wants room for all it has is refused when there is less", () => {
  const shed: number[] = [];
  const admission = new Admission(2, (inputs) => shed.push(inputs));
  throws(() => admission.enter(3, true), { fault: "overloaded" });
  deepEqual(shed, [3]);
  admission.enter(1, true);
  throws(() => admission.enter(2, true), { fault: "overloaded" });
  admission.enter(1, true);
  equal(admission.inputs, 2);
});

test("streams wait in turn, and leave a quarter of the room to requests that would be refused", async () => {
  const admission = new Admission(8, () => {});
  const { signal } = new AbortController();
  const admitted: number[] = [];
  const waits = Array.from({ length: 10 }, async (_, index) => {
    await admission.enterInTurn(1, signal);
    admitted.push(index);
  });
  await new Promise(setImmediate);
  deepEqual(admitted, [0, 1, 2, 3, 4, 5]);
  admission.enter(2);
  throws(() => admission.enter(1), { fault: "overloaded" });
  admission.leave(2);
  await new Promise(setImmediate);
  equal(admitted.length, 6);
  admission.leave(2);
  await new Promise(setImmediate);
  deepEqual(admitted, [0, 1, 2, 3, 4, 5, 6, 7]);
  admission.leave(6);
  await Promise.all(waits);
  equal(admission.inputs, 2);
});

test("who leaves while waiting takes no room", async () => {
  const admission = new Admission(1, () => {});
  const controller = new AbortController();
  admission.enter(1);
  const left = admission.enterInTurn(1, controller.signal);
  const stays = admission.enterInTurn(3, new AbortController().signal);
  controller.abort(new MeshError("cancelled", "gone"));
  await rejects(left, { fault: "cancelled" });
  await rejects(admission.enterInTurn(1, controller.signal), { fault: "cancelled" });
  admission.leave(1);
  await stays;
  equal(admission.inputs, 3);
});
