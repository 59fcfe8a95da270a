import { equal, throws } from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { temporaryFolder, write } from "../../test/support/tiny-models.js";
import { ConfinedFolder } from "./confined-folder.js";
import { readTokensMax } from "./text-limits.js";

interface Said {
  readonly config?: Parameters<typeof readTokensMax>[1];
  readonly sentence?: unknown;
  readonly tokenizer?: unknown;
  readonly sentenceFile?: string;
}

function read(t: TestContext, said: Said): number {
  const { config = {}, sentence, tokenizer } = said;
  const folder = temporaryFolder(t);
  const sentenceFile = said.sentenceFile ?? "sentence_bert_config.json";
  if (sentence !== undefined) write(folder, { [sentenceFile]: sentence });
  if (tokenizer !== undefined) write(folder, { "tokenizer_config.json": tokenizer });
  return readTokensMax(new ConfinedFolder(folder), config);
}

const config = { max_position_embeddings: 512 };

test("sentence-transformers goes before the tokenizer, and that before the model", (t) => {
  const sentence = { max_seq_length: 128 };
  const tokenizer = { model_max_length: 256 };
  equal(read(t, { config, sentence, tokenizer }), 128);
  equal(read(t, { config, sentence: { max_seq_length: null }, tokenizer }), 256);
  equal(read(t, { config, tokenizer }), 256);
  equal(read(t, { config }), 512);
  equal(read(t, { config: { n_positions: 64 } }), 64);
});

test("older names of the file count", (t) => {
  const sentenceFile = "sentence_roberta_config.json";
  equal(read(t, { config, sentence: { max_seq_length: 99 }, sentenceFile }), 99);
});

test("a tokenizer's limit that is none is passed over", (t) => {
  for (const model_max_length of [1e30, 0, -5, 1.5, null]) {
    equal(read(t, { config, tokenizer: { model_max_length } }), 512);
  }
});

test("no text has more tokens than the model has positions", (t) => {
  equal(read(t, { config, sentence: { max_seq_length: 8_192 } }), 512);
  equal(read(t, { config, tokenizer: { model_max_length: 8_192 } }), 512);
  // Relative positions have no end.
  equal(read(t, { config: { n_positions: 512 }, sentence: { max_seq_length: 600 } }), 600);
});

test("models that count from the padding have fewer positions than they say", (t) => {
  const roberta = { max_position_embeddings: 514, model_type: "xlm-roberta", pad_token_id: 1 };
  equal(read(t, { config: roberta }), 512);
  equal(read(t, { config: { ...roberta, pad_token_id: null } }), 512);
  throws(() => read(t, { config: { ...roberta, max_position_embeddings: 2 } }), {
    fault: "invalid",
    message: "config.json: max_position_embeddings is too small",
  });
});

test("a limit has to be somewhere, and sane", (t) => {
  throws(() => read(t, {}), {
    fault: "invalid",
    message: /^config\.json: max_position_embeddings is missing/,
  });
  for (const max_seq_length of [0, -1, 1.5, 2 ** 40, "512"]) {
    throws(() => read(t, { config, sentence: { max_seq_length } }), {
      fault: "invalid",
      message: /^sentence_bert_config\.json: max_seq_length: /,
    });
  }
  throws(() => read(t, { config, tokenizer: { model_max_length: "512" } }), {
    fault: "invalid",
    message: /^tokenizer_config\.json: model_max_length: /,
  });
});
