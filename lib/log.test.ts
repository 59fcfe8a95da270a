import { equal, match } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "./errors.js";
import { causeOf, stackOf } from "./log.js";

test("a cause is told with all that led to it", () => {
  const first = new RangeError("first");
  const all = new AggregateError([new TypeError("second", { cause: first }), "third"], "all");
  const text = causeOf(new MeshError("internal", "internal error", { cause: all }));
  match(text, /^AggregateError: all\n +at .*\n(.*\n)*caused by TypeError: second\n/);
  match(text, /\ncaused by RangeError: first\n/);
  match(text, /\ncaused by third$/);
});

test("errors that lead to each other are told to an end", () => {
  const error = new Error("circle");
  error.cause = error;
  equal(stackOf(error).match(/Error: circle/g)?.length, 4);
});
