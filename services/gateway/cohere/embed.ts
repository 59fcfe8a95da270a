import type { FastifyReply, FastifyRequest } from "fastify";
import { contextOf } from "../http/app.js";
import { inWordsOf } from "../http/field-names.js";
import { JsonWriter } from "../http/json-vectors.js";
import { readModelName } from "../http/model-name.js";
import { encodeVector } from "../http/number-types.js";
import { urgencyOf } from "../openai/embeddings.js";
import { addAnswerHeaders } from "../openai/headers.js";
import type { Embed, Embedded } from "../operations/embed.js";
import { refusal, unsaid, type WorkOrder } from "../operations/order.js";
import type { EmbedBody, EmbeddingType } from "./bodies.js";
import { toMeta } from "./meta.js";

/** What Cohere's callers call the fields of an operation. */
const fieldNames = {
  inputs: "texts",
  dimensions: "output_dimension",
  tokens_max: "max_tokens",
};

/** Version 1 without embedding types answers with a plain list of vectors. */
export type ApiVersion = "1" | "2";

/** body -> vectors -> Cohere's embeddings by type */
export async function answerEmbed(
  body: EmbedBody,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  {
    embed,
    inputsMax,
    apiVersion,
  }: { readonly embed: Embed; readonly inputsMax: number; readonly apiVersion: ApiVersion },
): Promise<FastifyReply> {
  const texts = textsOf(body);
  const context = contextOf(request);
  const own = {
    inputs: texts,
    inputsMax,
    normalize: true,
    dimensions: body.output_dimension,
    tokensMax: body.max_tokens,
    formats: body.embedding_types,
    inputType: body.input_type,
    priority: urgencyOf(body, request),
  };
  const truncation = truncationOf[body.truncate ?? "END"];
  const order = Object.assign({}, unsaid, readModelName(body.model), truncation, own);
  const embedded = await inWordsOf(fieldNames, embed(order, context));
  addAnswerHeaders(reply, embedded.usage);
  const isList = apiVersion === "1" && body.embedding_types === undefined;
  const types = isList ? undefined : (body.embedding_types ?? ["float"]);
  const around = {
    id: context.requestId,
    response_type: isList ? "embeddings_floats" : "embeddings_by_type",
    texts,
    model: embedded.usage.model,
    meta: toMeta(apiVersion, embedded.usage),
  };
  return reply.type("application/json").send(write(embedded, types, around));
}

function textsOf({ texts, inputs }: EmbedBody): readonly string[] {
  if (texts !== undefined && inputs !== undefined) {
    throw refusal("invalid", "texts", "only one of `texts` and `inputs` may be given");
  }
  const given = texts ?? inputs;
  if (given !== undefined) return given;
  throw refusal("invalid", "texts", "one of `texts` and `inputs` must be given");
}

/** Cohere names the end that is cut off. */
const truncationOf: Readonly<
  Record<"NONE" | "START" | "END", Pick<WorkOrder, "truncate" | "truncationSide">>
> = {
  NONE: { truncate: false, truncationSide: undefined },
  START: { truncate: true, truncationSide: "left" },
  END: { truncate: true, truncationSide: "right" },
};

/** Written by hand, because vectors need their own number format. Without types: a list of vectors. */
function write(
  { vectors, areRemembered }: Embedded,
  types: readonly EmbeddingType[] | undefined,
  around: object,
): Buffer {
  const distinct = [...new Set(types ?? [])];
  const head = JSON.stringify(around);
  const all = types === undefined ? vectors : distinct.flatMap(() => vectors);
  const otherBytesMax = Buffer.byteLength(head) + (1 + all.length) * typeBytesMax;
  const writer = new JsonWriter(all, { otherBytesMax, areRemembered });
  writer.text(`${head.slice(0, -1)},"embeddings":`);
  if (types === undefined) {
    writer.list(vectors, (vector) => writer.vector(vector));
  } else {
    for (const [index, type] of distinct.entries()) {
      writer.text(`${index === 0 ? "{" : ","}"${type}":`);
      writer.list(vectors, (vector) => writeVector(writer, vector, type));
    }
    writer.text("}");
  }
  writer.text("}");
  return writer.done();
}

/** The text around a type or a vector. */
const typeBytesMax = 40;

function writeVector(writer: JsonWriter, vector: Float32Array, type: EmbeddingType): void {
  if (type === "base64") writer.base64(vector);
  else writer.numbers(encodeVector(vector, type === "float" ? "float32" : type).numbers);
}
