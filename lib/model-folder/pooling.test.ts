import { deepEqual, equal, throws } from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { temporaryFolder, write } from "../../test/support/tiny-models.js";
import { ConfinedFolder } from "./confined-folder.js";
import { type PoolingConfig, readPooling } from "./pooling.js";

function read(t: TestContext, said: unknown): PoolingConfig {
  const folder = temporaryFolder(t);
  write(folder, { "1_Pooling/config.json": said });
  return readPooling(new ConfinedFolder(folder), "1_Pooling");
}

const old = { word_embedding_dimension: 4, pooling_mode_mean_tokens: false };

test("a flag names the mode", (t) => {
  const modes = {
    pooling_mode_cls_token: "cls",
    pooling_mode_mean_tokens: "mean",
    pooling_mode_max_tokens: "max",
    pooling_mode_lasttoken: "last_token",
  };
  for (const [flag, pooling] of Object.entries(modes)) {
    deepEqual(read(t, { ...old, [flag]: true }), { pooling, hiddenSize: 4 });
  }
});

test("the newer name of a mode goes before flags", (t) => {
  const said = { embedding_dimension: 8, pooling_mode: "lasttoken", pooling_mode_cls_token: true };
  deepEqual(read(t, said), { pooling: "last_token", hiddenSize: 8 });
  equal(read(t, { ...old, pooling_mode: ["max"] }).pooling, "max");
});

test("without any mode it is the mean", (t) => {
  equal(read(t, old).pooling, "mean");
});

test("modes that we do not have, or several, are refused", (t) => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ pooling_mode_weightedmean_tokens: true }, /not weightedmean$/],
    [{ pooling_mode_mean_sqrt_len_tokens: true }, /not mean_sqrt_len_tokens$/],
    [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: true }, /not cls and mean$/],
    [{ pooling_mode: ["mean", "max"] }, /not mean and max$/],
    [{ pooling_mode: "constructor" }, /not constructor$/],
    [{ pooling_mode: 7 }, /pooling_mode: /],
    [{ include_prompt: false }, /include_prompt false is not supported$/],
    [{ word_embedding_dimension: undefined }, /expected word_embedding_dimension$/],
    [{ word_embedding_dimension: -1 }, /word_embedding_dimension: /],
  ];
  for (const [change, message] of cases) {
    throws(
      () => read(t, { ...old, ...change }),
      (error: Error) => {
        return error.message.startsWith("1_Pooling/config.json: ") && message.test(error.message);
      },
      JSON.stringify(change),
    );
  }
});
