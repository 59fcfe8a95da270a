import { deepEqual, throws } from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { temporaryFolder, write } from "../../test/support/tiny-models.js";
import { ConfinedFolder } from "./confined-folder.js";
import { type Prompts, readPrompts } from "./prompts.js";

function read(t: TestContext, said: unknown): Prompts {
  const folder = temporaryFolder(t);
  if (said !== undefined) write(folder, { "config_sentence_transformers.json": said });
  return readPrompts(new ConfinedFolder(folder));
}

test("prompts are read by their names", (t) => {
  const prompts = { query: "query: ", passage: "passage: " };
  deepEqual(read(t, { prompts, default_prompt_name: "passage" }), {
    prompts,
    defaultPrompt: "passage",
  });
  deepEqual(read(t, { prompts, default_prompt_name: null }).defaultPrompt, undefined);
});

test("without the file, or without prompts in it, there are none", (t) => {
  const none = { prompts: {}, defaultPrompt: undefined };
  deepEqual(read(t, undefined), none);
  deepEqual(read(t, { __version__: { pytorch: "2.0" } }), none);
  deepEqual(read(t, { prompts: null }), none);
});

test("a default that is no prompt, and prompts that are no text, are refused", (t) => {
  const file = /^config_sentence_transformers\.json: /;
  const cases = [
    { prompts: { query: "q" }, default_prompt_name: "passage" },
    { prompts: {}, default_prompt_name: "toString" },
    { prompts: { query: 1 } },
    { prompts: "query" },
    [],
  ];
  for (const said of cases) {
    throws(() => read(t, said), { fault: "invalid", message: file });
  }
});
