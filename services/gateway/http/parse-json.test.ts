import { deepEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { parseJson } from "./parse-json.js";

test("JSON is read, surrogate pairs in escapes too", () => {
  const text = '{"a": ["\\ud83d\\ude00", "\\\\ud800", 1], "\\uD83D\\uDE00": null}';
  deepEqual(parseJson(Buffer.from(text)), { a: ["😀", "\\ud800", 1], "😀": null });
});

test("what is not text in JSON is malformed", () => {
  const bodies = [
    Buffer.from([0x22, 0xff, 0x22]),
    Buffer.from('"\\ud800"'),
    Buffer.from('{"\\uDC00": 1}'),
    Buffer.from('["\\ude00\\ud83d"]'),
    Buffer.from('{"a": 1} {}'),
    Buffer.from(""),
    Buffer.from("[".repeat(100)),
  ];
  for (const body of bodies) {
    throws(() => parseJson(body), { fault: "malformed", message: /^Failed to parse the request/ });
  }
});
