// Python's tokenizers, by which most models are trained, in a virtual environment that is kept for the next run.

import { deepEqual, equal } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Registry } from "prom-client";
import {
  type Encoding,
  OffsetUnit,
  TokenizerService,
  TruncationSide,
} from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { readConfig } from "../../lib/config.js";
import { ModelCatalog } from "../../lib/model-catalog.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { tokenizerSchema } from "../../services/tokenizer/config.js";
import { createTokenizer } from "../../services/tokenizer/service.js";
import { callContext } from "../support/call-context.js";
import { cacheFolder, missing, run } from "../support/programs.js";
import { seeded } from "../support/random.js";
import { randomAscii, randomText } from "../support/random-texts.js";

/** The last one that counts all tokens of a text before it cuts a pair, as text-embeddings-inference does. */
const version = "0.22.2";
const venv = join(cacheFolder, `tokenizers-${version}`);
const python = join(venv, "bin/python");

const program = `
import json, sys
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_padding()
for line in sys.stdin:
    case = json.loads(line)
    if case["tokensMax"] is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(case["tokensMax"], direction=case["side"])
    got = tokenizer.encode(*case["texts"], add_special_tokens=case["isSpecial"])
    print(json.dumps([got.ids, got.tokens, got.type_ids, got.offsets, got.special_tokens_mask]))
`;

interface Case {
  readonly texts: readonly string[];
  readonly isSpecial: boolean;
  readonly tokensMax: number | null;
  readonly side: "left" | "right";
}

test("texts and pairs have the tokens that Python gives them", {
  timeout: 300_000,
  skip: missing("python3"),
}, async (t) => {
  const problem = await install();
  if (problem !== undefined) return t.skip(`tokenizers cannot be installed: ${problem}`);
  const random = seeded(t);
  const cases = Array.from({ length: 1_000 }, (): Case => {
    const textOf = () => random.pick([randomText, randomAscii])(random, 20);
    return {
      texts: random.pick([[textOf()], [textOf(), textOf()]]),
      isSpecial: random.pick([true, false]),
      tokensMax: random.pick([null, 4 + random.int(30)]),
      side: random.pick(["left", "right"]),
    };
  });
  const config = readConfig(tokenizerSchema, {});
  const file = join(config.modelPath, "tokenizer.json");
  const input = cases.map((each) => JSON.stringify(each)).join("\n");
  const { code, stdout, stderr } = await run(python, ["-c", program, file], { input });
  equal(code, 0, stderr);
  const expected = stdout.trim().split("\n");
  const bindings = [
    createTokenizer(config, { catalog: new ModelCatalog(config), registry: new Registry() }),
  ];
  const channel = createLocalChannel({ role: "tokenizer", bindings, interceptors: [] });
  const tokenizer = channel.client(TokenizerService);
  for (const [index, each] of cases.entries()) {
    const { encodings } = await tokenizer.encode(requestOf(each), callContext());
    deepEqual(
      shown(encodings[0] as Encoding),
      JSON.parse(expected[index] ?? ""),
      JSON.stringify(each),
    );
  }
});

function requestOf({ texts: [first = "", second], isSpecial, tokensMax, side }: Case) {
  const kind =
    second === undefined
      ? ({ case: "text", value: first } as const)
      : ({ case: "pair", value: { first, second } } as const);
  return {
    inputs: [{ kind }],
    addSpecialTokens: isSpecial,
    offsetUnit: OffsetUnit.CODE_POINTS,
    truncationSide: side === "left" ? TruncationSide.LEFT : TruncationSide.RIGHT,
    ...(tokensMax === null ? { unlimited: true } : { tokensMax }),
  };
}

function shown({ ids, tokens, typeIds, offsets, special }: Encoding): unknown[] {
  const ranges = offsets.map(({ start, end }) => [start, end]);
  const types = typeIds.length === 0 ? ids.map(() => 0) : typeIds;
  return [ids, tokens, types, ranges, special.map(Number)];
}

/** Why it failed, or undefined. */
async function install(): Promise<string | undefined> {
  const isThere = async () => (await run(python, ["-c", "import tokenizers"])).code === 0;
  if (existsSync(python) && (await isThere())) return undefined;
  const created = await run("python3", ["-m", "venv", "--clear", venv]);
  if (created.code !== 0) return created.stdout + created.stderr;
  const args = ["-m", "pip", "install", "-q", "--no-deps", `tokenizers==${version}`];
  const installed = await run(python, args, { msMax: 240_000 });
  if (installed.code !== 0) return installed.stderr;
  return (await isThere()) ? undefined : "it cannot be imported";
}
