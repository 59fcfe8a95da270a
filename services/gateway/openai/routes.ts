import type { FastifyInstance } from "fastify";
import type { Admission } from "../admission.js";
import type { GatewayConfig } from "../config.js";
import { contextOf, priorityOf, refuseEarly } from "../http/app.js";
import { JsonWriter } from "../http/json-vectors.js";
import { describeProtocol } from "../openapi/route-schemas.js";
import type { Embed, Embedded } from "../operations/embed.js";
import { unsaid } from "../operations/order.js";
import { embeddingsAnswer, openAiError } from "./answers.js";
import { embeddingsBody } from "./bodies.js";
import { answerOpenAiErrors } from "./errors.js";

/** Routes in the shape of OpenAI's API. */
export function addOpenAiRoutes(
  app: FastifyInstance,
  config: Pick<GatewayConfig, "inputsMax">,
  deps: { readonly embed: Embed; readonly admission: Admission },
): void {
  // A scope of its own: errors in this protocol's shape.
  void app.register(async (plain) => {
    answerOpenAiErrors(plain);
    const scope = describeProtocol(plain, openAi);
    const options = { ...refuseEarly(deps.admission), schema: embeddingsSchema };
    scope.post("/v1/embeddings", options, async (request, reply) => {
      const { body } = request;
      const order = {
        ...unsaid,
        ...readModel(body.model ?? ""),
        inputs: body.input,
        inputsMax: config.inputsMax,
        normalize: true,
        dimensions: body.dimensions,
        priority: priorityOf(request),
      };
      const embedded = await deps.embed(order, contextOf(request));
      const isBase64 = body.encoding_format === "base64";
      return reply.type("application/json").send(toList(embedded, isBase64));
    });
  });
}

const embeddingsSchema = {
  summary: "Vectors of texts",
  body: embeddingsBody,
  examples: {
    "A text": { input: "What is deep learning?" },
    "Two texts, as base64": { input: ["a", "b"], encoding_format: "base64" },
  },
  response: { 200: embeddingsAnswer },
};

const openAi = {
  tag: "OpenAI",
  description: "The routes of OpenAI's API, for its SDKs and all that speak it.",
  error: { schema: openAiError, statuses: [400, 401, 404, 413, 429, 500, 503, 504] },
};

/** `model` or `model@version`; OpenAI's bodies have no other place for a version. */
function readModel(name: string): { readonly model: string; readonly version: string } {
  const at = name.indexOf("@");
  if (at < 0) return { model: name, version: "" };
  return { model: name.slice(0, at), version: name.slice(at + 1) };
}

/** Written by hand, because vectors need their own number format. */
function toList({ model, vectors, tokenCounts }: Embedded, isBase64: boolean): Buffer {
  const tokens = tokenCounts.reduce((total, count) => total + count, 0);
  const usage = `{"prompt_tokens":${tokens},"total_tokens":${tokens}}`;
  const tail = `],"model":${JSON.stringify(model)},"usage":${usage}}`;
  // Base64 takes a third of what the writer keeps for numbers.
  const writer = new JsonWriter(vectors, vectors.length * itemBytesMax + Buffer.byteLength(tail));
  writer.text('{"object":"list","data":[');
  for (const [index, vector] of vectors.entries()) {
    writer.text(`${index > 0 ? "," : ""}{"object":"embedding","index":${index},"embedding":`);
    if (isBase64) writer.base64(vector);
    else writer.vector(vector);
    writer.text("}");
  }
  writer.text(tail);
  return writer.done();
}

/** The text around each vector, and a part of that around all. */
const itemBytesMax = 100;
