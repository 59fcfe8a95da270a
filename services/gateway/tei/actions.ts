import type { z } from "zod";
import { OffsetUnit } from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { MeshError } from "../../../lib/errors.js";
import type { CallContext } from "../../../lib/rpc/call.js";
import type { GatewayConfig } from "../config.js";
import { shortFloat } from "../http/json-floats.js";
import { JsonWriter, toJsonArrays } from "../http/json-vectors.js";
import type { EmbeddedTokens } from "../operations/embed-tokens.js";
import type { Operations } from "../operations/operations.js";
import { unsaid, type WorkOrder } from "../operations/order.js";
import type { Usage } from "../operations/work.js";
import {
  decodeBody,
  embedAllBody,
  embedBody,
  embedSparseBody,
  readTruncation,
  rerankBody,
  similarityBody,
  tokenizeBody,
} from "./bodies.js";
import { createPredict } from "./predict.js";
import { toSimpleTokens } from "./simple-tokens.js";

/** Who asks, and how urgently. */
export interface Caller {
  readonly context: CallContext;
  readonly priority: WorkOrder["priority"];
}

/** What a route answers: JSON, and what it cost where that is told. */
export interface Written {
  readonly json: Buffer;
  readonly usage?: Usage;
}

/** Gives the body in the shape of a schema; it throws when it has another. */
export type ReadBody = <T>(schema: z.ZodType<T>) => T;

/** What one route does with a body, wherever the body stands. */
export type Action = (read: ReadBody, caller: Caller) => Promise<Written>;

export type ActionName =
  | "embed"
  | "embedAll"
  | "embedSparse"
  | "predict"
  | "rerank"
  | "similarity"
  | "tokenize"
  | "decode";

/** The routes of text-embeddings-inference as adapters over the operations: parse, call, format. */
export function createActions(
  config: Pick<GatewayConfig, "nativeInputsMax">,
  operations: Operations,
): Readonly<Record<ActionName, Action>> {
  const inputsMax = config.nativeInputsMax;
  const predict = createPredict(operations, inputsMax);
  const usual = usualOf(inputsMax);

  return {
    ...createEmbeddings(operations, inputsMax),
    predict,

    async rerank(read, caller) {
      const { query, texts, return_text: isTextWanted, ...body } = read(rerankBody);
      const own = { query, texts, isRaw: body.raw_scores ?? false };
      const order = Object.assign(usual(caller), readTruncation(body), own);
      const { ranks, usage } = await operations.rerank(order, caller.context);
      const answer = ranks.map(({ index, score }) => ({
        index,
        ...(isTextWanted && { text: texts[index] }),
        score: shortFloat(score),
      }));
      return { json: toJson(answer), usage };
    },

    async similarity(read, caller) {
      const { inputs, parameters } = read(similarityBody);
      const { source_sentence: source, sentences } = inputs;
      if (sentences.length === 0) {
        throw new MeshError("empty", "`inputs.sentences` cannot be empty");
      }
      const truncation = parameters && readTruncation(parameters);
      const own = { promptName: parameters?.prompt_name, inputs: [source, ...sentences] };
      const order = Object.assign(usual(caller), truncation, own);
      const { cosines, usage } = await operations.compare(order, caller.context);
      return { json: toJson(cosines.map(shortFloat)), usage };
    },

    async tokenize(read, { context }) {
      const body = read(tokenizeBody);
      if (body.inputs.length === 0) throw new MeshError("empty", "`inputs` cannot be empty");
      const { encodings } = await operations.tokenize(
        {
          model: "",
          version: "",
          texts: body.inputs,
          textsMax: inputsMax,
          isSpecialAdded: body.add_special_tokens ?? true,
          promptName: body.prompt_name,
          unit: OffsetUnit.BYTES,
        },
        context,
      );
      return { json: toJson(encodings.map(toSimpleTokens)) };
    },

    async decode(read, { context }) {
      const { ids, skip_special_tokens: isSpecialSkipped = true } = read(decodeBody);
      const order = { model: "", version: "", sequences: ids, sequencesMax: inputsMax };
      const texts = await operations.decode({ ...order, isSpecialSkipped }, context);
      return { json: toJson(texts) };
    },
  };
}

/** What all orders of these routes have alike. */
function usualOf(inputsMax: number) {
  return ({ priority }: Caller) =>
    Object.assign({}, unsaid, { inputsMax, priority, isAdmittedWhole: true });
}

function createEmbeddings(
  operations: Operations,
  inputsMax: number,
): Readonly<Record<"embed" | "embedAll" | "embedSparse", Action>> {
  const usual = usualOf(inputsMax);
  const orderOf = (body: z.infer<typeof embedAllBody>, caller: Caller): WorkOrder => {
    const own = { inputs: body.inputs, promptName: body.prompt_name };
    return Object.assign(usual(caller), readTruncation(body), own);
  };
  return {
    async embed(read, caller) {
      const body = read(embedBody);
      const { normalize = true, dimensions } = body;
      const order = Object.assign(orderOf(body, caller), { normalize, dimensions });
      const { vectors, areRemembered, usage } = await operations.embed(order, caller.context);
      return { json: toJsonArrays(vectors, areRemembered), usage };
    },

    async embedAll(read, caller) {
      const order = orderOf(read(embedAllBody), caller);
      const embedded = await operations.embedTokens(order, caller.context);
      return { json: toTokenArrays(embedded), usage: embedded.usage };
    },

    async embedSparse(read, caller) {
      const order = orderOf(read(embedSparseBody), caller);
      const { vectors, usage } = await operations.embedSparse(order, caller.context);
      const values = vectors.map(({ ids, weights }) =>
        ids.map((index, at) => ({ index, value: shortFloat(weights[at] ?? 0) })),
      );
      return { json: toJson(values), usage };
    },
  };
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** For each input a list of the vectors of its tokens. */
function toTokenArrays({ vectors, dimensions }: EmbeddedTokens): Buffer {
  const inputs = vectors.map((tokens) =>
    Array.from({ length: tokens.length / dimensions }, (_, row) =>
      tokens.subarray(row * dimensions, (row + 1) * dimensions),
    ),
  );
  const rows = inputs.reduce((sum, input) => sum + input.length, 0);
  // Two brackets and a comma around each input and each row.
  const writer = new JsonWriter(vectors, { otherBytesMax: 3 * (rows + inputs.length) + 2 });
  writer.text("[");
  for (const [place, input] of inputs.entries()) {
    writer.text(place > 0 ? ",[" : "[");
    for (const [row, vector] of input.entries()) {
      if (row > 0) writer.text(",");
      writer.vector(vector);
    }
    writer.text("]");
  }
  writer.text("]");
  return writer.done();
}
