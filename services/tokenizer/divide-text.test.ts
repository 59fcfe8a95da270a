import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { openBareTokenizer } from "../../test/support/bare-tokenizer.js";
import { seeded } from "../../test/support/random.js";
import { randomAscii, randomText } from "../../test/support/random-texts.js";
import { boundaries, divideText, joinRows } from "./divide-text.js";
import { NativeEncoder } from "./native-encoder.js";

test("a text in parts has the tokens that it has whole", async (t) => {
  const encoder = new NativeEncoder(
    openBareTokenizer(join(packageRoot, "models/all-MiniLM-L6-v2")),
  );
  const random = seeded(t);
  let divided = 0;
  for (let round = 0; round < 300; round += 1) {
    const pieces = Array.from({ length: 1 + random.int(6) }, () =>
      random.pick([randomText, randomAscii])(random, 10),
    );
    const text = pieces.join(random.pick([" a b ", " ", "", "\u6771\u4eac", "\u6771\u4eac\u0301"]));
    const parts = divideText(text, random.int(20), boundaries.spacesAndIdeographs);
    equal(parts.join(""), text);
    if (parts.length > 1) divided += 1;
    const rows = await Promise.all(parts.map((part) => encoder.encode(part, true)));
    deepEqual(joinRows(parts, rows), await encoder.encode(text, true), JSON.stringify(text));
  }
  ok(divided > 100);
});

test("cuts are at boundaries; a text without one is whole", () => {
  const { spaces, spacesAndIdeographs } = boundaries;
  deepEqual(divideText("one two three", 0, spaces), ["one", " two", " three"]);
  deepEqual(divideText("one two three", 3, spaces), ["one two", " three"]);
  deepEqual(divideText("\u6771\u4eac a", 0, spacesAndIdeographs), ["\u6771", "\u4eac a"]);
  for (const text of [
    "",
    "a",
    "a  b",
    "a, b",
    "\u00e9 \u00e9",
    "a\u3000b",
    "a \u0301b",
    "\u6771\u4eac",
  ]) {
    deepEqual(divideText(text, 0, spaces), [text]);
  }
});
