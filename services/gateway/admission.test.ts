import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
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
