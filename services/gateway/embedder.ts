import {
  InferenceService,
  type Model,
  type Priority,
  Task,
} from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import type { Clock } from "../../lib/clock.js";
import { MeshError, toMeshError } from "../../lib/errors.js";
import type { CallContext, Channel } from "../../lib/rpc/call.js";
import { untilAborted } from "../../lib/rpc/dispatch.js";
import type { Admission } from "./admission.js";
import { createEncode } from "./encoding.js";
import type { Limiter } from "./limiter.js";
import type { ModelDirectory } from "./model-directory.js";
import type { Computed, VectorCache } from "./vector-cache.js";

/** What a caller of any protocol asks for. */
export interface EmbedOrder {
  /** Empty means the default model. */
  readonly model: string;
  /** A version or a label; empty: as the model's routes have it. */
  readonly version: string;
  readonly texts: readonly string[];
  /** Texts that the route of the caller allows. */
  readonly textsMax: number;
  /** Undefined: the tokenizer's setting. */
  readonly truncate: boolean | undefined;
  /** Undefined: the model's default prompt, if it has one. */
  readonly promptName: string | undefined;
  readonly normalize: boolean;
  /** Keep only the first so many dimensions; undefined: all. */
  readonly dimensions: number | undefined;
  readonly priority: Priority;
}

/** What every protocol turns into its own answer. */
export interface Embedded {
  readonly model: string;
  readonly version: string;
  readonly dimensions: number;
  /** One for each text; shared with others, so never written to. */
  readonly vectors: readonly Float32Array[];
  /** Tokens of each text, special tokens included. */
  readonly tokenCounts: readonly number[];
}

export type Embed = (order: EmbedOrder, context: CallContext) => Promise<Embedded>;

export interface EmbedderDeps {
  readonly tokenizer: Channel;
  /** Whether a call to the tokenizer costs so much that requests share one. */
  readonly isTokenizerRemote?: boolean;
  readonly inference: Channel;
  readonly directory: ModelDirectory;
  readonly limiter: Limiter;
  readonly admission: Admission;
  readonly cache: VectorCache;
  readonly clock: Clock;
  /** What one computation may take, whoever waits for it. */
  readonly computeMsMax: number;
}

/** text -> take a request -> token ids -> reserve tokens -> vectors, remembered or new -> commit, or release */
export function createEmbedder(deps: EmbedderDeps): Embed {
  const { admission, directory, limiter } = deps;
  const encode = createEncode(deps.tokenizer.client(TokenizerService), {
    isGathering: deps.isTokenizerRemote ?? false,
  });
  const inference = deps.inference.client(InferenceService);

  return async (order, context) => {
    const inputs = order.texts.length;
    admission.enter(inputs);
    try {
      await limiter.takeRequest(context);
      validate(order);
      return await untilAborted(onServedVersion(order, context), context.signal);
    } finally {
      admission.leave(inputs);
    }
  };

  /** A version may go between being chosen and being asked; then the request runs on what took its place. */
  async function onServedVersion(order: EmbedOrder, context: CallContext): Promise<Embedded> {
    const model = await directory.resolve(order.model, order.version);
    try {
      return await run(order, model, context);
    } catch (thrown) {
      if (toMeshError(thrown).fault !== "not_found") throw thrown;
      await directory.refresh();
      const next = await directory.resolve(order.model, order.version);
      if (next.version === model.version) throw thrown;
      return await run(order, next, context);
    }
  }

  async function run(order: EmbedOrder, model: Model, context: CallContext): Promise<Embedded> {
    requireVectors(model, order);
    const { texts, truncate, promptName } = order;
    const { name, version, revision } = model;
    const encodings = await encode(
      { model: name, version, revision, texts, truncate, promptName },
      context,
    );
    const sequences = encodings.map((encoding) => encoding.ids);
    const tokenCounts = sequences.map((ids) => ids.length);
    const tokens = tokenCounts.reduce((total, count) => total + count, 0);

    const reservation = await limiter.reserveTokens(tokens, context);
    try {
      const vectors = await vectorsOf(sequences, order, model, context);
      reservation.commit();
      const { dimensions = model.dimensions } = order;
      const isCut = dimensions < model.dimensions;
      return {
        model: model.name,
        version: model.version,
        dimensions,
        vectors: isCut ? vectors.map((vector) => cut(vector, order, dimensions)) : vectors,
        tokenCounts,
      };
    } catch (error) {
      reservation.release();
      throw error;
    }
  }

  function vectorsOf(
    sequences: readonly (readonly number[])[],
    { normalize, priority }: EmbedOrder,
    { name, version, revision }: Model,
    context: CallContext,
  ): Promise<readonly Float32Array[]> {
    const job = { model: name, version, priority, caller: `ip:${context.clientIp}` };
    // Others may wait for this computation too: it outlives the caller who began it, within a time of its own.
    const compute = async (places: readonly number[], signal: AbortSignal): Promise<Computed> => {
      const deadlineAtMs = deps.clock.nowMs() + deps.computeMsMax;
      const { ran, dimensions, vectors } = await inference.embed(
        {
          job,
          normalize,
          sequences: places.map((place) => ({ ids: sequences[place] as number[] })),
        },
        { ...context, signal, deadlineAtMs },
      );
      return { revision: ran?.revision ?? "", dimensions, vectors: toFloat32(vectors) };
    };
    // Revisions tell versions of one model apart over time, not models: copies of a folder may share theirs.
    const options = `${normalize ? "unit" : "raw"} ${version} ${name}`;
    return deps.cache.get({ revision, options, sequences, signal: context.signal }, compute);
  }
}

/** The words are those of text-embeddings-inference, which clients match on. */
function validate({ model, version, texts, textsMax, dimensions }: EmbedOrder): void {
  if (!model.isWellFormed()) throw refusal("invalid", "model", "`model` is not text");
  if (!version.isWellFormed()) throw refusal("invalid", "version", "`version` is not text");
  if (texts.length === 0) throw new MeshError("empty", "`inputs` cannot be empty");
  if (texts.length > textsMax) {
    const message = `batch size ${texts.length} > maximum allowed batch size ${textsMax}`;
    throw new MeshError("invalid", message, {
      fields: [{ field: "inputs", description: message }],
    });
  }
  for (const [index, text] of texts.entries()) {
    const field = `inputs[${index}]`;
    if (text === "") throw refusal("empty", field, "`inputs` cannot be empty");
    if (!text.isWellFormed()) {
      throw refusal("invalid", field, `\`${field}\` is not well-formed Unicode`);
    }
  }
  if (dimensions === 0) throw refusal("invalid", "dimensions", "`dimensions` should be positive");
}

function refusal(fault: "empty" | "invalid", field: string, reason: string): MeshError {
  const message = `Input validation error: ${reason}`;
  return new MeshError(fault, message, { fields: [{ field, description: reason }] });
}

function requireVectors({ name, task, dimensions }: Model, order: EmbedOrder): void {
  if (task !== Task.EMBEDDING) throw refusal("invalid", "model", `\`${name}\` has no embeddings`);
  if ((order.dimensions ?? 0) > dimensions) {
    const reason = "`dimensions` should be smaller than the maximum embedding dimension.";
    throw refusal("invalid", "dimensions", reason);
  }
}

/** The first dimensions of a vector, with length 1 again if it had it. */
function cut(vector: Float32Array, { normalize }: EmbedOrder, dimensions: number): Float32Array {
  const part = vector.slice(0, dimensions);
  const scale = normalize ? 1 / (Math.hypot(...part) || 1) : 1;
  return part.map((value) => value * scale);
}

/** A view where alignment allows, which is always so within one process. */
function toFloat32(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
