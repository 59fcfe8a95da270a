import { type InferenceSession, Tensor } from "onnxruntime-node";
import { assert } from "../../../lib/assert.js";
import type { EmbeddingModel, ModelSpec, Pooling, TensorModel } from "../../../lib/model-spec.js";
import type { RowOutput } from "../batching/batch.js";
import { type BatchShape, type BatchSlot, outputOf } from "./batch-slot.js";
import { fromFloat16 } from "./float16.js";
import { openSession } from "./onnx-session.js";
import {
  applyDense,
  normalize,
  poolCls,
  poolLastToken,
  poolMax,
  poolMean,
  spladeWeights,
} from "./pooling.js";
import { TextInputs } from "./text-inputs.js";
import type { WorkerSetup } from "./worker-messages.js";

/** A tensor of float32 as ONNX Runtime gave it. */
interface Output {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** What ONNX files call the vectors of tokens, pooled vectors, and scores. */
const hiddenNames = ["last_hidden_state", "token_embeddings", "hidden_states"];
const pooledNames = ["sentence_embedding"];
const logitsNames = ["logits"];
const warmUpTokens = 16;

/** Runs batches of sequences from a slot, and writes what each row asks for into it. */
export class TextRun {
  readonly #session: InferenceSession;
  readonly #setup: WorkerSetup;
  readonly #inputs: TextInputs;
  readonly #heads: readonly InferenceSession[];
  readonly #names: {
    readonly hidden: string | undefined;
    readonly pooled: string | undefined;
    readonly logits: string | undefined;
  };

  private constructor(
    session: InferenceSession,
    setup: WorkerSetup,
    heads: readonly InferenceSession[],
  ) {
    this.#session = session;
    this.#setup = setup;
    this.#heads = heads;
    this.#inputs = new TextInputs(session, setup.slots[0]?.ids.length ?? 0);
    const find = (names: readonly string[], rank: number) => findOutput(session, names, rank);
    this.#names = {
      hidden: find(hiddenNames, 3),
      pooled: pooledNames.find((name) => isVector(session, name, setup.spec)),
      logits: find(logitsNames, setup.spec.task === "sparse" ? 3 : 2),
    };
  }

  static async open(session: InferenceSession, setup: WorkerSetup): Promise<TextRun> {
    const { spec } = setup;
    const heads = spec.task === "embedding" ? spec.heads : [];
    const options = { threads: 1, providers: ["cpu"], deviceId: 0 };
    const opened = await Promise.all(heads.map(({ file }) => openSession(file, options)));
    const sessions = opened.map((head) => head.session);
    const run = new TextRun(session, setup, sessions);
    await run.#warmUp();
    return run;
  }

  /** The first run of a session allocates; it also proves that the model answers, and as its folder says. */
  async #warmUp(): Promise<void> {
    const { spec, slots } = this.#setup;
    const [slot] = slots;
    assert(slot !== undefined && spec.task !== "tensors");
    const shape = { sequences: 1, longest: Math.min(warmUpTokens, spec.tokensMax) };
    slot.tokenCounts[0] = shape.longest;
    const { hidden, pooled } = this.#names;
    const names = [this.#outputFor(["unit_vector"])];
    if (hidden !== undefined && hidden !== names[0]) names.push(hidden);
    for (const name of names) {
      const results = await this.#session.run(this.#inputs.feeds(slot, shape), [name]);
      requireWidth(name, results[name]?.dims.at(-1), widthOf(spec, name === pooled));
    }
    if (spec.task !== "embedding") return;
    for (const [index, { name, labels }] of spec.heads.entries()) {
      const logits = await this.#applyHead(index, new Float32Array(spec.dimensions));
      requireWidth(`of head ${name}`, logits.length, labels.length);
    }
  }

  async run(slot: BatchSlot, shape: BatchShape): Promise<void> {
    const outputs = Array.from(slot.outputs.subarray(0, shape.sequences), outputOf);
    const name = this.#outputFor(outputs);
    const results = await this.#session.run(this.#inputs.feeds(slot, shape), [name]);
    const tensor = results[name];
    assert(tensor !== undefined);
    const result = { data: toFloat32(tensor), dims: tensor.dims };
    let end = 0;
    for (const [row, output] of outputs.entries()) {
      end += await this.#write(output, { result, name, row, slot, shape, to: end });
      slot.resultEnds[row] = end;
    }
  }

  /** One output serves the whole batch: the pooled one if every row takes a unit vector of it. */
  #outputFor(outputs: readonly RowOutput[]): string {
    const { hidden, pooled, logits } = this.#names;
    if (this.#setup.spec.task !== "embedding") {
      assert(logits !== undefined, "the model has no output of logits");
      return logits;
    }
    const takesPooled = outputs.every(
      (output) => output === "unit_vector" || typeof output !== "string",
    );
    const name = takesPooled ? (pooled ?? hidden) : hidden;
    assert(name !== undefined, "the model has no output of token vectors");
    return name;
  }

  /** Writes the numbers of one row at `to`; returns how many. */
  async #write(
    output: RowOutput,
    at: {
      readonly result: Output;
      readonly name: string;
      readonly row: number;
      readonly slot: BatchSlot;
      readonly shape: BatchShape;
      readonly to: number;
    },
  ): Promise<number> {
    const { result, row, slot, to } = at;
    const tokenCount = slot.tokenCounts[row] as number;
    const size = result.data.length / (result.dims[0] ?? 1);
    const values = result.data.subarray(row * size, (row + 1) * size);
    const width = result.dims.at(-1) ?? 0;
    const put = (numbers: Float32Array): number => {
      slot.results.set(numbers, to);
      return numbers.length;
    };
    if (output === "logits") return put(values);
    if (output === "token_vectors") return put(values.subarray(0, tokenCount * width));
    if (output === "sparse") {
      const weights = new Float32Array(width);
      spladeWeights(values, tokenCount, width, weights);
      return put(toPairs(weights));
    }
    const { spec } = this.#setup;
    assert(spec.task === "embedding", "only an embedding model has vectors");
    const vector =
      at.name === this.#names.pooled
        ? values.slice()
        : toVector(values, { tokenCount, width, spec });
    if (output !== "vector") normalize(vector);
    if (typeof output === "string") return put(vector);
    return put(await this.#applyHead(output.head, vector));
  }

  async #applyHead(index: number, vector: Float32Array): Promise<Float32Array> {
    const head = this.#heads[index];
    const [input] = head?.inputNames ?? [];
    const [output] = head?.outputNames ?? [];
    assert(head !== undefined && input !== undefined && output !== undefined, "no such head");
    const results = await head.run({ [input]: new Tensor("float32", vector, [1, vector.length]) });
    const tensor = results[output];
    assert(tensor !== undefined);
    return toFloat32(tensor);
  }
}

/** How many numbers of one row, or of one token, the model's folder promises. */
function widthOf(spec: Exclude<ModelSpec, TensorModel>, isPooled: boolean): number {
  if (spec.task === "embedding") return isPooled ? spec.dimensions : spec.hiddenSize;
  return spec.task === "sparse" ? spec.vocabularySize : spec.labels.length;
}

function requireWidth(what: string, actual: number | undefined, expected: number): void {
  if (actual === expected) return;
  throw new Error(`output ${what} has width ${actual}, the model's folder says ${expected}`);
}

/** By one of the usual names, else the first output of that rank. */
function findOutput(
  session: InferenceSession,
  names: readonly string[],
  rank: number,
): string | undefined {
  const usual = names.find((name) => session.outputNames.includes(name));
  if (usual !== undefined) return usual;
  return session.outputMetadata.find((value) => value.isTensor && value.shape.length === rank)
    ?.name;
}

/** Whether the file pools by itself, and into vectors of the length that the model's folder says. */
function isVector(session: InferenceSession, name: string, spec: ModelSpec): boolean {
  const output = session.outputMetadata.find((value) => value.name === name);
  if (output === undefined || !output.isTensor || spec.task !== "embedding") return false;
  return output.shape.at(-1) === spec.dimensions;
}

function toVector(
  hidden: Float32Array,
  {
    tokenCount,
    width,
    spec,
  }: { readonly tokenCount: number; readonly width: number; readonly spec: EmbeddingModel },
): Float32Array {
  const pooled = new Float32Array(width);
  poolers[spec.pooling](hidden, tokenCount, pooled);
  return spec.dense.reduce<Float32Array>((vector, dense) => applyDense(dense, vector), pooled);
}

const poolers: Readonly<
  Record<Pooling, (hidden: Float32Array, tokenCount: number, vector: Float32Array) => void>
> = {
  mean: poolMean,
  cls: (hidden, _tokenCount, vector) => poolCls(hidden, vector),
  max: poolMax,
  last_token: poolLastToken,
};

/** Weights above 0 as pairs of id and weight; an id's bits are those of a uint32. */
function toPairs(weights: Float32Array): Float32Array {
  const pairs: number[] = [];
  for (const [id, weight] of weights.entries()) if (weight > 0) pairs.push(id, weight);
  const numbers = Float32Array.from(pairs);
  const bits = new Uint32Array(numbers.buffer);
  for (let i = 0; i < pairs.length; i += 2) bits[i] = pairs[i] as number;
  return numbers;
}

function toFloat32(tensor: Tensor): Float32Array {
  const { data } = tensor;
  if (data instanceof Float32Array) return data;
  assert(tensor.type === "float16", `expected float numbers, got ${tensor.type}`);
  // The same bits, whether this version of Node has Float16Array or not.
  const bits = data as Uint16Array;
  return Float32Array.from(new Uint16Array(bits.buffer, bits.byteOffset, bits.length), fromFloat16);
}
