import { deepEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { labelsOf } from "./labels.js";

test("labels stand in the order of their numbers", () => {
  const id2label = {
    10: "k",
    2: "c",
    0: "a",
    1: "b",
    3: "d",
    4: "e",
    5: 6,
    6: "g",
    7: "h",
    8: "i",
    9: "j",
  };
  deepEqual(labelsOf({ id2label }, "config.json").join(""), "abcde6ghijk");
});

test("labels without names are numbered, two by default", () => {
  deepEqual(labelsOf({ num_labels: 3 }, "config.json"), ["LABEL_0", "LABEL_1", "LABEL_2"]);
  deepEqual(labelsOf({ id2label: null, num_labels: null }, "config.json"), ["LABEL_0", "LABEL_1"]);
});

test("a gap in the numbers is refused", () => {
  for (const id2label of [{ 0: "a", 2: "c" }, { 1: "b" }, { "00": "a" }, { constructor: "a" }]) {
    throws(() => labelsOf({ id2label: id2label as Record<string, string> }, "config.json"), {
      fault: "invalid",
      message: /^config\.json: id2label: label \d of \d is missing$/,
    });
  }
  throws(() => labelsOf({ id2label: {} }, "config.json"), { message: /expected 1 to/ });
});
