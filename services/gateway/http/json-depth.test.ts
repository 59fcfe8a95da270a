import { equal } from "node:assert/strict";
import { test } from "node:test";
import { isTooDeep } from "./json-depth.js";

const padding = " ".repeat(16_384);

function check(json: string, isDeep: boolean): void {
  equal(isTooDeep(Buffer.from(padding + json)), isDeep, json.slice(0, 20));
}

test("lists and objects may stand 64 deep in each other", () => {
  check("[".repeat(64) + "]".repeat(64), false);
  check('{"a":'.repeat(64) + 1 + "}".repeat(64), false);
  check("[],".repeat(1_000), false);
  check("[".repeat(65), true);
  check('[{"a":'.repeat(33), true);
});

test("brackets in strings do not count, nor do quotes behind backslashes end them", () => {
  const brackets = "[".repeat(100);
  check(`["${brackets}", "\\"${brackets}", "\\\\\\"${brackets}"]`, false);
  check(`["${brackets}`, false);
  check(`"\\\\"${brackets}`, true);
});
