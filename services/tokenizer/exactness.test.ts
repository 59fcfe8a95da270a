// Every encoding against Hugging Face's library as its own users have it, which cuts and adds special tokens by itself.

import { deepEqual } from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Registry } from "prom-client";
import type { JsEncoding, Tokenizer } from "tokenizers";
import {
  type EncodeRequestSchema,
  type Encoding,
  OffsetUnit,
  TokenizerService,
  TruncationSide,
} from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { readConfig } from "../../lib/config.js";
import { ModelCatalog } from "../../lib/model-catalog.js";
import { packageRoot } from "../../lib/package-root.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { openBareTokenizer } from "../../test/support/bare-tokenizer.js";
import { callContext } from "../../test/support/call-context.js";
import { seeded } from "../../test/support/random.js";
import { randomAscii, randomText } from "../../test/support/random-texts.js";
import { temporaryFolder, write, writeSplade } from "../../test/support/tiny-models.js";
import {
  bareBpe,
  byteFallbackBpe,
  byteLevelBpe,
  byteLevelTemplate,
  unigram,
} from "../../test/support/tiny-tokenizers.js";
import { tokenizerSchema } from "./config.js";
import { createTokenizer } from "./service.js";

const tiny = { byteLevelBpe, byteLevelTemplate, bareBpe, byteFallbackBpe, unigram };
const miniLm = join(packageRoot, "models/all-MiniLM-L6-v2");
const context = callContext();
const rounds = 150;

for (const [name, tokenizer] of Object.entries({ wordPiece: undefined, ...tiny })) {
  test(`${name}: texts and pairs, cut on either side or whole, are those of Hugging Face`, async (t) => {
    const { encode, bare } = open(t, tokenizer);
    const random = seeded(t);
    for (let round = 0; round < rounds; round += 1) {
      const textOf = () => random.pick([randomText, randomAscii])(random, random.pick([3, 20]));
      const [first, second] = [textOf(), random.pick([textOf, () => undefined])()];
      const isSpecial = random.pick([true, false]);
      const tokensMax = random.pick([undefined, 5 + random.int(30)]);
      const side = random.pick(["Left", "Right"] as const);
      const options = { addSpecialTokens: isSpecial };
      bare.disableTruncation();
      const whole = await bare.encode(first, second ?? null, options);
      if (tokensMax !== undefined) {
        bare.setTruncation(tokensMax, { direction: side.toLowerCase() });
      }
      const expected = await bare.encode(first, second ?? null, options);
      const actual = await encode({
        inputs: [{ kind: kindOf(first, second) }],
        addSpecialTokens: isSpecial,
        truncationSide: side === "Left" ? TruncationSide.LEFT : TruncationSide.RIGHT,
        offsetUnit: OffsetUnit.CODE_POINTS,
        ...(tokensMax === undefined ? { unlimited: true } : { tokensMax }),
      });
      if (await isTied(bare, [first, second], tokensMax)) continue;
      const given = JSON.stringify({ first, second, isSpecial, tokensMax, side });
      deepEqual(
        shown(actual),
        {
          ...shownBare(expected),
          truncated: whole.getLength() > (tokensMax ?? Number.POSITIVE_INFINITY),
        },
        given,
      );
    }
  });
}

function kindOf(first: string, second: string | undefined) {
  return second === undefined
    ? ({ case: "text", value: first } as const)
    : ({ case: "pair", value: { first, second } } as const);
}

/** The service over a model with this tokenizer, or over the embedded one, and the bare library beside it. */
function open(t: TestContext, tokenizer: object | undefined) {
  const folder = tokenizer === undefined ? miniLm : join(temporaryFolder(t), "tiny");
  if (tokenizer !== undefined) {
    writeSplade(folder);
    write(folder, { "tokenizer.json": tokenizer });
  }
  const config = readConfig(tokenizerSchema, { MODEL_PATH: folder });
  const bindings = [
    createTokenizer(config, { catalog: new ModelCatalog(config), registry: new Registry() }),
  ];
  const channel = createLocalChannel({ role: "tokenizer", bindings, interceptors: [] });
  const client = channel.client(TokenizerService);
  return {
    bare: openBareTokenizer(folder),
    async encode(request: MessageInitShape<typeof EncodeRequestSchema>): Promise<Encoding> {
      const { encodings } = await client.encode(request, context);
      return encodings[0] as Encoding;
    },
  };
}

/**
 * Since 0.23 the library stops to count a text's tokens at the limit, so that of a pair whose texts are both over it, it
 * does not know which is the longer one, to which an odd token belongs. Ours, and all versions before, do.
 */
async function isTied(
  bare: Tokenizer,
  texts: readonly (string | undefined)[],
  tokensMax: number | undefined,
): Promise<boolean> {
  if (tokensMax === undefined) return false;
  bare.disableTruncation();
  const counts = texts.map(async (text) => {
    if (text === undefined) return 0;
    return (await bare.encode(text, null, { addSpecialTokens: false })).getLength();
  });
  return (await Promise.all(counts)).every((count) => count >= tokensMax);
}

interface Shown {
  readonly ids: readonly number[];
  readonly tokens: readonly string[];
  readonly typeIds: readonly number[];
  readonly offsets: readonly (readonly number[])[];
  readonly special: readonly boolean[];
  readonly truncated: boolean;
}

function shown({ ids, tokens, typeIds, offsets, special, truncated }: Encoding): Shown {
  const ranges = offsets.map(({ start, end }) => [start, end]);
  return { ids, tokens, typeIds, offsets: ranges, special, truncated };
}

function shownBare(encoding: JsEncoding): Omit<Shown, "truncated"> {
  const typeIds = encoding.getTypeIds();
  return {
    ids: encoding.getIds(),
    tokens: encoding.getTokens(),
    typeIds: typeIds.every((id) => id === 0) ? [] : typeIds,
    offsets: encoding.getOffsets(),
    special: encoding.getSpecialTokensMask().map(Boolean),
  };
}
