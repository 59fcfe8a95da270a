import { deepEqual, equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { openBareTokenizer } from "../../test/support/bare-tokenizer.js";
import { temporaryFolder, write } from "../../test/support/tiny-models.js";
import { wordLevel } from "../../test/support/tiny-tokenizers.js";
import { NativeEncoder } from "./native-encoder.js";

test("texts of any length and number come back each with its own tokens", async () => {
  const native = openBareTokenizer(join(packageRoot, "models/all-MiniLM-L6-v2"));
  const encoder = new NativeEncoder(native);
  const texts = Array.from({ length: 700 }, (_, index) =>
    "caf\u00e9 ".repeat(index % 50 === 0 ? 3_000 : 1 + (index % 7)),
  );
  const rows = await Promise.all(texts.map((text, index) => encoder.encode(text, index % 2 === 0)));
  for (const [index, { ids, places }] of rows.entries()) {
    equal(ids.length, (texts[index] ?? "").length / 5);
    equal(places !== undefined, index % 2 === 0);
  }
});

test("a text that has no tokens fails alone", async (t) => {
  const folder = temporaryFolder(t);
  write(folder, { "tokenizer.json": wordLevel });
  const encoder = new NativeEncoder(openBareTokenizer(folder));
  const rows = ["cat", "zebra", "dog"].map((text) => encoder.encode(text, false));
  await rejects(rows[1] as Promise<unknown>, { fault: "invalid" });
  deepEqual((await rows[0])?.ids, [3]);
  deepEqual((await rows[2])?.ids, [4]);
});
