// tools/quantize in a virtual environment that is kept for the next run.

import { equal, match, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { copyFile, cp, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { packageRoot } from "../lib/package-root.js";
import { openBareTokenizer } from "./support/bare-tokenizer.js";
import { cosine, goldenMissing, readGoldenEmbeddings } from "./support/golden.js";
import { cacheFolder, type Finished, missing, run } from "./support/programs.js";

const tool = join(packageRoot, "tools/quantize");
const requirements = join(tool, "requirements.txt");
const digest = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 8);
const venv = join(cacheFolder, `quantize-${digest}`);
const python = join(venv, "bin/python");
/** Written when everything is installed, so that a broken-off installation is not taken for one. */
const complete = join(venv, ".complete");

const miniLm = join(packageRoot, "../shared/models/all-MiniLM-L6-v2");
const miniLmMissing = existsSync(join(miniLm, "onnx/model.onnx"))
  ? false
  : "../shared/models is not there";
const msMax = 400_000;

describe("tools/quantize", { skip: missing("python3") }, () => {
  let problem: string | undefined;
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "quantize-"));
    problem = await install();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const { kind, bits } of [
    { kind: "bert", bits: 8 },
    { kind: "distilbert", bits: 7 },
  ]) {
    test(`makes a small ${kind} without names int8, in ${bits} bits`, async (t) => {
      if (problem !== undefined) return t.skip(problem);
      const model = await tinyModel(kind);
      const texts = join(model, "texts.txt");
      const made = await quantize(model, "--calibration", texts, "--weight-bits", `${bits}`);
      equal(made.code, 0, made.stderr);
      match(made.stdout, /^cosine to float32 +mean [01]\.\d{4}, .*\(24 texts held back\)$/m);
      match(made.stdout, /^8 x 16 tokens +[\d.]+ ms +[\d.]+ ms +[\d.]+$/m);
      const file = join(model, "onnx/model_int8.onnx");
      const exact = await open(join(model, "onnx/model.onnx"));
      const int8 = await open(file);
      const ids = Array.from({ length: 30 }, (_, i) => (i * 37) % 400);
      const closeness = cosine(await tokenVectors(int8, ids), await tokenVectors(exact, ids));
      ok(closeness > 0.99, `${closeness}`);
      await isBatchIndependent(int8, [[2, 40, 41, 3], ids, [2, 9, 3]]);
      const largest = await largestWeights(file);
      ok(largest.sum <= 128 && largest.one < 2 ** (bits - 1), JSON.stringify(largest));
    });
  }

  test("keeps the vectors of all-MiniLM-L6-v2", {
    skip: miniLmMissing || goldenMissing,
  }, async (t) => {
    if (problem !== undefined) return t.skip(problem);
    const calibration = join(folder, "calibration.txt");
    const lines = readFileSync(join(tool, "calibration.txt"), "utf8").split("\n");
    writeFileSync(calibration, lines.filter((_, i) => i % 3 === 0).join("\n"));
    const output = join(folder, "model_int8.onnx");
    const files = ["--calibration", calibration, "--evaluation", join(tool, "evaluation.txt")];
    const made = await quantize(miniLm, ...files, "--output", output);
    equal(made.code, 0, made.stderr);
    match(made.stdout, /mean 0\.99/);
    const session = await open(output);
    const golden = readGoldenEmbeddings().slice(0, 40);
    const texts = await tokenize(golden.map(({ text }) => text));
    for (const [i, ids] of texts.entries()) {
      const [vector] = await embed(session, [ids]);
      const closeness = cosine(vector as Float32Array, golden[i]?.embedding as number[]);
      ok(closeness > 0.99, `${closeness}: ${golden[i]?.text}`);
    }
    await isBatchIndependent(session, texts.slice(0, 8));
    const { sum } = await largestWeights(output);
    ok(sum <= 128, `${sum}`);
  });

  const wrong: Record<string, { break: (model: string) => unknown; says: RegExp; kind?: string }> =
    {
      "a folder without onnx/model.onnx": {
        break: (model) => rmSync(join(model, "onnx/model.onnx")),
        says: /has no onnx\/model\.onnx/,
      },
      "a file that is not ONNX": {
        break: (model) => writeFileSync(join(model, "onnx/model.onnx"), "no"),
        says: /model\.onnx is not an ONNX file/,
      },
      "layers in another order than a BERT's": {
        kind: "pre-norm",
        break: () => undefined,
        says: /is not BERT-like: its weights, used as BERT uses them, give other numbers/,
      },
      "a graph without a BERT's layers": {
        break: (model) =>
          copyFile(
            join(packageRoot, "models/all-MiniLM-L6-v2/heads/sentiment/head.onnx"),
            join(model, "onnx/model.onnx"),
          ),
        says: /is not BERT-like: it has no input named input_ids/,
      },
      "an int8 file": {
        break: (model) =>
          copyFile(
            join(packageRoot, "models/all-MiniLM-L6-v2/onnx/model_int8.onnx"),
            join(model, "onnx/model.onnx"),
          ),
        says: /is quantised already/,
      },
      "weights in a file that is missing": {
        break: (model) => run(python, ["-c", moveWeightsOut, model]),
        says: /keeps its weights in weights\.bin, which is not beside it/,
      },
      "a number of heads that cannot be": {
        break: (model) => writeFileSync(join(model, "config.json"), '{"num_attention_heads": 7}'),
        says: /num_attention_heads is 7, which does not divide 48/,
      },
      "pooling that is not supported": {
        break: (model) =>
          writeFileSync(join(model, "1_Pooling/config.json"), '{"pooling_mode_max_tokens": true}'),
        says: /only mean and cls pooling are supported, not max_tokens/,
      },
      "no tokenizer": {
        break: (model) => rmSync(join(model, "tokenizer.json")),
        says: /has no tokenizer\.json that can be read/,
      },
      "an empty calibration file": {
        break: (model) => writeFileSync(join(model, "texts.txt"), "\n\n"),
        says: /texts\.txt has 0 texts, one a line; at least 10 are needed/,
      },
      "no calibration file": {
        break: (model) => rmSync(join(model, "texts.txt")),
        says: /texts\.txt cannot be read/,
      },
    };
  for (const [name, { kind, break: damage, says }] of Object.entries(wrong)) {
    test(`says in one line what is wrong: ${name}`, async (t) => {
      if (problem !== undefined) return t.skip(problem);
      const model = await tinyModel(kind ?? "bert");
      await damage(model);
      const finished = await quantize(model, "--calibration", join(model, "texts.txt"));
      equal(finished.code, 2, finished.stderr);
      match(finished.stderr, /^quantize: [^\n]+\n$/);
      match(finished.stderr, says);
      ok(!existsSync(join(model, "onnx/model_int8.onnx")));
    });
  }

  let copies = 0;
  async function tinyModel(kind: string): Promise<string> {
    const original = join(folder, `original-${kind}`);
    if (!existsSync(original)) {
      const made = await run(python, [join(tool, "tiny_model.py"), original, kind]);
      equal(made.code, 0, made.stderr);
    }
    copies += 1;
    const copy = join(folder, `${kind}-${copies}`);
    await mkdir(copy);
    await cp(original, copy, { recursive: true });
    return copy;
  }
});

const moveWeightsOut = `
import sys, onnx, os
file = sys.argv[1] + "/onnx/model.onnx"
onnx.save(onnx.load(file), file, save_as_external_data=True, location="weights.bin", size_threshold=0)
os.remove(sys.argv[1] + "/onnx/weights.bin")
`;

async function quantize(...args: readonly string[]): Promise<Finished> {
  return await run(python, [join(tool, "quantize.py"), ...args], { msMax });
}

/** Why it failed, or undefined. */
async function install(): Promise<string | undefined> {
  if (existsSync(complete)) return undefined;
  const created = await run("python3", ["-m", "venv", "--clear", venv]);
  if (created.code !== 0) return `no virtual environment: ${created.stdout}${created.stderr}`;
  const args = ["-m", "pip", "install", "-q", "-r", requirements];
  const installed = await run(python, args, { msMax });
  if (installed.code !== 0) return `packages cannot be installed: ${installed.stderr}`;
  writeFileSync(complete, "");
  return undefined;
}

/** Of all weights, and of neighbours of one sign, whose sum decides whether 16 bits can overflow. */
async function largestWeights(file: string): Promise<{ one: number; sum: number }> {
  const { code, stdout, stderr } = await run(python, ["-c", readLargestWeights, file]);
  equal(code, 0, stderr);
  return JSON.parse(stdout);
}

const readLargestWeights = `
import json, sys, numpy, onnx
one = sum = 0
for tensor in onnx.load(sys.argv[1]).graph.initializer:
    if tensor.name.endswith(".weight") and tensor.data_type == onnx.TensorProto.INT8:
        weight = onnx.numpy_helper.to_array(tensor).astype(int)
        one = max(one, int(abs(weight).max()))
        for sign in (1, -1):
            side = numpy.maximum(sign * weight, 0)
            sum = max(sum, int((side[0:-1:2] + side[1::2]).max()))
print(json.dumps({"one": one, "sum": sum}))
`;

async function tokenize(texts: readonly string[]): Promise<number[][]> {
  const tokenizer = openBareTokenizer(miniLm, 256);
  const encodings = await Promise.all(texts.map((text) => tokenizer.encode(text)));
  return encodings.map((encoding) => encoding.getIds());
}

async function open(file: string): Promise<InferenceSession> {
  return await InferenceSession.create(file, { graphOptimizationLevel: "basic" });
}

/** What the session reads for texts (their ids), padded on the right. */
function feeds(session: InferenceSession, texts: readonly number[][]): Record<string, Tensor> {
  const width = Math.max(...texts.map((ids) => ids.length));
  const of = (value: (ids: number[], i: number) => number): Tensor => {
    const rows = texts.flatMap((ids) => Array.from({ length: width }, (_, i) => value(ids, i)));
    return new Tensor("int64", BigInt64Array.from(rows, BigInt), [texts.length, width]);
  };
  const all: Record<string, Tensor> = {
    input_ids: of((ids, i) => ids[i] ?? 0),
    attention_mask: of((ids, i) => (i < ids.length ? 1 : 0)),
    token_type_ids: of(() => 0),
  };
  return Object.fromEntries(session.inputNames.map((name) => [name, all[name] as Tensor]));
}

async function tokenVectors(session: InferenceSession, ids: number[]): Promise<Float32Array> {
  const [name] = session.outputNames;
  const results = await session.run(feeds(session, [ids]), [name as string]);
  return results[name as string]?.data as Float32Array;
}

async function embed(session: InferenceSession, texts: number[][]): Promise<Float32Array[]> {
  const { sentence_embedding } = await session.run(feeds(session, texts), ["sentence_embedding"]);
  const numbers = sentence_embedding?.data as Float32Array;
  const size = numbers.length / texts.length;
  return texts.map((_, i) => numbers.subarray(i * size, (i + 1) * size));
}

async function isBatchIndependent(session: InferenceSession, texts: number[][]): Promise<void> {
  const together = await embed(session, texts);
  for (const [i, ids] of texts.entries()) {
    const [alone] = await embed(session, [ids]);
    const apart = alone?.map((value, j) => Math.abs(value - (together[i]?.[j] as number)));
    ok(Math.max(...(apart as Float32Array)) < 1e-6);
  }
}
