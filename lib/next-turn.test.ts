import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { nextTurn } from "./next-turn.js";

test("calls that wait for the same turn go on together, step by step, and after what was there before", async () => {
  const steps: string[] = [];
  const call = async (name: string): Promise<void> => {
    steps.push(`${name} arrives`);
    await nextTurn();
    steps.push(`${name} is decided`);
    await undefined;
    steps.push(`${name} is answered`);
  };
  setImmediate(() => steps.push("earlier work"));
  const first = call("a");
  await Promise.resolve();
  await Promise.all([first, call("b")]);
  await call("c");
  deepEqual(steps, [
    ...["a arrives", "b arrives", "earlier work"],
    ...["a is decided", "b is decided", "a is answered", "b is answered"],
    ...["c arrives", "c is decided", "c is answered"],
  ]);
});
