import { equal } from "node:assert/strict";
import { test } from "node:test";
import { OffsetUnit } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { seeded } from "../../test/support/random.js";
import { randomText } from "../../test/support/random-texts.js";
import { createOffsetTable } from "./offset-units.js";

const { BYTES, CODE_POINTS, UTF16 } = OffsetUnit;

test("a slice of the text by each unit is the same piece", (t) => {
  const random = seeded(t);
  for (let round = 0; round < 2_000; round += 1) {
    const text = randomText(random, 30);
    const codePoints = [...text];
    const start = random.int(codePoints.length + 1);
    const end = start + random.int(codePoints.length - start + 1);
    const piece = codePoints.slice(start, end).join("");
    const rangeIn = (unit: OffsetUnit): [number, number] => {
      const table = createOffsetTable(text, unit);
      equal(table.piece(start, end), piece);
      return [table.unitAt(start), table.unitAt(end)];
    };
    equal(
      Buffer.from(text)
        .subarray(...rangeIn(BYTES))
        .toString(),
      piece,
    );
    equal(text.slice(...rangeIn(UTF16)), piece);
    equal(codePoints.slice(...rangeIn(CODE_POINTS)).join(""), piece);
  }
});

test("the end of a text is its length in each unit", () => {
  for (const [text, bytes, utf16, codePoints] of [
    ["", 0, 0, 0],
    ["abc", 3, 3, 3],
    ["gr\u00fc\u00dfe \u6771", 11, 7, 7],
    ["\ud83d\ude00\ud83d\ude00!", 9, 5, 3],
  ] as const) {
    equal(createOffsetTable(text, BYTES).unitAt(codePoints), bytes);
    equal(createOffsetTable(text, UTF16).unitAt(codePoints), utf16);
    equal(createOffsetTable(text, CODE_POINTS).unitAt(codePoints), codePoints);
  }
});
