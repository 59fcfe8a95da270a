import type { FastifyReply, FastifyRequest } from "fastify";
import { Priority } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { forUser } from "../caller.js";
import { contextOf, priorityOf } from "../http/app.js";
import { inWordsOf } from "../http/field-names.js";
import { JsonWriter } from "../http/json-vectors.js";
import { readModelName } from "../http/model-name.js";
import { encodeVector } from "../http/number-types.js";
import type { Embed, Embedded, EmbedOrder } from "../operations/embed.js";
import { unsaid, type WorkOrder } from "../operations/order.js";
import type { EmbeddingsBody } from "./bodies.js";
import { addAnswerHeaders } from "./headers.js";

/** What OpenAI's callers call the fields of an operation. */
const fieldNames = {
  inputs: "input",
  prompt_name: "input_type",
  tokens_max: "truncate_prompt_tokens",
};

/** body -> vectors -> OpenAI's list of embeddings */
export async function answerEmbeddings(
  body: EmbeddingsBody,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  { embed, inputsMax }: { readonly embed: Embed; readonly inputsMax: number },
): Promise<FastifyReply> {
  const own = {
    inputs: body.input,
    inputsMax,
    dimensions: body.dimensions,
    formats: [body.encoding_format ?? "float"],
    isSpecialAdded: body.add_special_tokens,
    inputType: body.input_type,
    normalize: body.normalize ?? body.use_activation ?? true,
    priority: urgencyOf(body, request),
  };
  const name = readModelName(body.model);
  const order: EmbedOrder = Object.assign({}, unsaid, name, truncationOf(body), own);
  const embedded = await inWordsOf(
    fieldNames,
    embed(order, forUser(contextOf(request), body.user)),
  );
  addAnswerHeaders(reply, embedded.usage);
  return reply.type("application/json").send(toList(embedded, body));
}

/** How vLLM's callers say how much of an input counts. */
export function truncationOf(body: {
  readonly truncate_prompt_tokens: number | undefined;
  readonly truncation_side: "left" | "right" | undefined;
}): Pick<WorkOrder, "truncate" | "tokensMax" | "truncationSide"> {
  const { truncate_prompt_tokens: kept, truncation_side: truncationSide } = body;
  if (kept === undefined) return { truncate: undefined, tokensMax: undefined, truncationSide };
  return { truncate: true, tokensMax: kept > 0 ? kept : undefined, truncationSide };
}

/** As in vLLM lower goes first and 0 is usual; without it, the Priority header decides. */
export function urgencyOf(
  { priority }: { readonly priority: number | undefined },
  request: FastifyRequest,
): Priority {
  if (priority === undefined) return priorityOf(request);
  return priority > 0 ? Priority.BULK : Priority.INTERACTIVE;
}

/** Written by hand, because vectors need their own number format. */
function toList({ vectors, areRemembered, usage }: Embedded, body: EmbeddingsBody): Buffer {
  const { model, tokens } = usage;
  const spent = `{"prompt_tokens":${tokens},"total_tokens":${tokens}}`;
  const tail = `],"model":${JSON.stringify(model)},"usage":${spent}}`;
  const otherBytesMax = vectors.length * itemBytesMax + Buffer.byteLength(tail);
  // Other types are made anew for each answer.
  const areSame = areRemembered && (body.embed_dtype ?? "float32") === "float32";
  const writer = new JsonWriter(vectors, { otherBytesMax, areRemembered: areSame });
  writer.text('{"object":"list","data":[');
  for (const [index, vector] of vectors.entries()) {
    writer.text(`${index > 0 ? "," : ""}{"object":"embedding","index":${index},"embedding":`);
    writeVector(writer, vector, body);
    writer.text("}");
  }
  writer.text(tail);
  return writer.done();
}

/** The text around each vector, and a part of that around all. */
const itemBytesMax = 100;

function writeVector(
  writer: JsonWriter,
  vector: Float32Array,
  { encoding_format: format, embed_dtype: type = "float32", endianness }: EmbeddingsBody,
): void {
  const { numbers, bytes } = encodeVector(vector, type);
  if (format !== "base64") writer.numbers(numbers);
  else writer.base64(endianness === "big" ? toBigEndian(bytes) : bytes);
}

function toBigEndian(values: ArrayBufferView & { readonly BYTES_PER_ELEMENT: number }): Buffer {
  const bytes = Buffer.from(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  if (values.BYTES_PER_ELEMENT === 4) return bytes.swap32();
  return values.BYTES_PER_ELEMENT === 2 ? bytes.swap16() : bytes;
}
