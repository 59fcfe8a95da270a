// npm run bench:tokenizer: the tokenizer's service in this process, beside the bare library on the same texts. CPU is of
// all threads, so that what the library does in parallel is not free.

import { join } from "node:path";
import { Registry } from "prom-client";
import { TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { readConfig } from "../../lib/config.js";
import { ModelCatalog } from "../../lib/model-catalog.js";
import { packageRoot } from "../../lib/package-root.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { tokenizerSchema } from "../../services/tokenizer/config.js";
import { createTokenizer } from "../../services/tokenizer/service.js";
import { openBareTokenizer } from "../support/bare-tokenizer.js";
import { callContext } from "../support/call-context.js";
import { describeCpu } from "./cpu.js";
import { shown, toMarkdown } from "./table.js";

/** What encodes the texts of one call. */
type Encode = (texts: readonly string[]) => Promise<unknown>;

interface Measured {
  readonly microseconds: number;
  readonly cpuMicroseconds: number;
}

const rounds = 5;
const textsPerRound = 8_192;
const sentences = {
  "ASCII, 17 tokens": "What is deep learning, and how do people use it every day, number ",
  "other, 17 tokens": "Was ist tiefes Lernen \u2013 und f\u00fcr wen? Nummer ",
};
let texts = 0;

const folder = join(packageRoot, "models/all-MiniLM-L6-v2");
const bare = openBareTokenizer(folder, 256);
const encoders: Readonly<Record<string, Encode>> = {
  service: createService(),
  library: async (texts) =>
    (await bare.encodeBatch([...texts])).map((encoding) => encoding.getIds()),
};

const rows: string[][] = [];
for (const [name, sentence] of Object.entries(sentences)) {
  for (const perCall of [1, 32, 256]) rows.push(await compare(name, sentence, perCall));
}
console.log(`${describeCpu()}; Node ${process.version}; medians of ${rounds} rounds in turns\n`);
const header = [
  "texts",
  "a call",
  "service us",
  "its CPU us",
  "library us",
  "its CPU us",
  "CPU ratio",
];
console.log(toMarkdown(header, rows));

/** The rounds of both take turns, because machines drift. */
async function compare(name: string, sentence: string, perCall: number): Promise<string[]> {
  const measured: Record<string, Measured[]> = { service: [], library: [] };
  for (let round = 0; round <= rounds; round += 1) {
    for (const [who, encode] of Object.entries(encoders)) {
      const one = await measure(encode, sentence, perCall);
      // The first round warms up.
      if (round > 0) measured[who]?.push(one);
    }
  }
  const [service, library] = [medianOf(measured.service ?? []), medianOf(measured.library ?? [])];
  const cells = [service, library].flatMap(({ microseconds, cpuMicroseconds }) => [
    shown(microseconds, 1),
    shown(cpuMicroseconds, 1),
  ]);
  const ratio = shown(service.cpuMicroseconds / library.cpuMicroseconds, 2);
  return [name, `${perCall}`, ...cells, ratio];
}

/** Per text; no text comes twice. */
async function measure(encode: Encode, sentence: string, perCall: number): Promise<Measured> {
  const calls = Array.from({ length: textsPerRound / perCall }, () =>
    Array.from({ length: perCall }, () => `${sentence}${texts++}`),
  );
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  for (const call of calls) await encode(call);
  const microseconds = (performance.now() - startedAt) * 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    microseconds: microseconds / textsPerRound,
    cpuMicroseconds: (user + system) / textsPerRound,
  };
}

function medianOf(measured: readonly Measured[]): Measured {
  const middle = (values: number[]): number =>
    values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
  return {
    microseconds: middle(measured.map(({ microseconds }) => microseconds)),
    cpuMicroseconds: middle(measured.map(({ cpuMicroseconds }) => cpuMicroseconds)),
  };
}

function createService(): Encode {
  const config = readConfig(tokenizerSchema, {});
  const catalog = new ModelCatalog(config);
  const bindings = [createTokenizer(config, { catalog, registry: new Registry() })];
  const channel = createLocalChannel({ role: "tokenizer", bindings, interceptors: [] });
  const tokenizer = channel.client(TokenizerService);
  const context = callContext();
  return async (texts) => await tokenizer.encode({ texts: [...texts] }, context);
}
