import { equal } from "node:assert/strict";
import { test } from "node:test";
import { isModelName } from "./model-name.js";

test("a model's name may be a folder's", () => {
  for (const name of ["a", "all-MiniLM-L6-v2", "bge_small.v1.5", "7", "A".repeat(128)]) {
    equal(isModelName(name), true, name);
  }
});

test("what could lead elsewhere or hide is no name", () => {
  const names = [
    "",
    ".",
    "..",
    "a..b",
    ".hidden",
    "-x",
    "_x",
    "a/b",
    "a\\b",
    "a b",
    "a\n",
    "ä",
    "a\0",
  ];
  for (const name of [...names, "A".repeat(129), "a%2fb", "a:b"]) {
    equal(isModelName(name), false, JSON.stringify(name));
  }
});
