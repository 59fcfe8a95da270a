import type { EmbedResponse } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { InferenceService } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { MeshError } from "../../lib/errors.js";
import type { CallContext, Channel } from "../../lib/rpc/call.js";
import type { Limiter } from "./limiter.js";

/** What a caller of any protocol asks for. */
export interface EmbedOrder {
  /** Empty means the default model. */
  readonly model: string;
  readonly texts: readonly string[];
  /** Texts that the route of the caller allows. */
  readonly textsMax: number;
  /** Undefined: the tokenizer's setting. */
  readonly truncate: boolean | undefined;
  readonly normalize: boolean;
  /** Keep only the first so many dimensions; undefined: all. */
  readonly dimensions: number | undefined;
}

/** What every protocol turns into its own answer. */
export interface Embedded {
  readonly model: string;
  readonly dimensions: number;
  /** Shape [texts, dimensions], row-major. */
  readonly vectors: Float32Array;
  /** Tokens of each text, special tokens included. */
  readonly tokenCounts: readonly number[];
}

export type Embed = (order: EmbedOrder, context: CallContext) => Promise<Embedded>;

/** text -> take a request -> token ids -> reserve tokens -> vectors -> commit, or release on any failure */
export function createEmbedder(
  peers: { readonly tokenizer: Channel; readonly inference: Channel },
  limiter: Limiter,
): Embed {
  const tokenizer = peers.tokenizer.client(TokenizerService);
  const inference = peers.inference.client(InferenceService);

  return async (order, context) => {
    await limiter.takeRequest(context);
    validate(order);
    const { model, truncate, normalize } = order;
    const { encodings } = await tokenizer.encode(
      { model, texts: [...order.texts], ...given({ truncate }) },
      context,
    );
    const tokenCounts = encodings.map((encoding) => encoding.ids.length);
    const tokens = tokenCounts.reduce((total, count) => total + count, 0);

    const reservation = await limiter.reserveTokens(tokens, context);
    try {
      const sequences = encodings.map(({ ids }) => ({ ids }));
      const answer = await inference.embed({ model, sequences, normalize }, context);
      const shaped = shape(answer, order);
      reservation.commit();
      return { model: answer.model, ...shaped, tokenCounts };
    } catch (error) {
      reservation.release();
      throw error;
    }
  };
}

/** The words are those of text-embeddings-inference, which clients match on. */
function validate({ model, texts, textsMax, dimensions }: EmbedOrder): void {
  if (!model.isWellFormed()) throw refusal("invalid", "model", "`model` is not text");
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

/** The vectors as float32, cut to the dimensions that were asked for. */
function shape(
  { vectors: bytes, dimensions: width }: EmbedResponse,
  { dimensions: wanted = width, normalize }: EmbedOrder,
): { readonly vectors: Float32Array; readonly dimensions: number } {
  const vectors = toFloat32(bytes);
  if (wanted === width) return { vectors, dimensions: width };
  if (wanted > width) {
    const reason = "`dimensions` should be smaller than the maximum embedding dimension.";
    throw refusal("invalid", "dimensions", reason);
  }
  const rows = vectors.length / width;
  const cut = new Float32Array(rows * wanted);
  for (let row = 0; row < rows; row += 1) {
    const part = vectors.subarray(row * width, row * width + wanted);
    const scale = normalize ? 1 / (Math.hypot(...part) || 1) : 1;
    for (const [i, value] of part.entries()) cut[row * wanted + i] = value * scale;
  }
  return { vectors: cut, dimensions: wanted };
}

/** A view where alignment allows, which is always so within one process. */
function toFloat32(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

/** Leaves undefined fields out, as Protobuf's init types ask. */
function given(fields: { readonly truncate: boolean | undefined }): { truncate?: boolean } {
  return fields.truncate === undefined ? {} : { truncate: fields.truncate };
}
