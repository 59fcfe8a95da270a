import type { FastifyInstance } from "fastify";
import { Priority } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { GatewayConfig } from "../config.js";
import type { Embed, Embedded } from "../embedder.js";
import { contextOf } from "./app.js";
import { openAiBody, readBody } from "./bodies.js";
import { toBase64, toJsonArray } from "./json-vectors.js";

/** Routes in the shape of OpenAI's API. */
export function addOpenAiRoutes(
  app: FastifyInstance,
  config: Pick<GatewayConfig, "inputsMax">,
  deps: { readonly embed: Embed },
): void {
  app.post("/v1/embeddings", async (request, reply) => {
    const body = readBody(openAiBody, request.body);
    const [model = "", version = ""] = (body.model ?? "").split("@");
    const order = {
      model,
      version,
      texts: body.input,
      textsMax: config.inputsMax,
      truncate: undefined,
      normalize: true,
      dimensions: body.dimensions,
      promptName: undefined,
      priority: Priority.INTERACTIVE,
    };
    const embedded = await deps.embed(order, contextOf(request));
    const isBase64 = body.encoding_format === "base64";
    return reply.type("application/json").send(toList(embedded, isBase64));
  });
}

/** Written by hand, because vectors need their own number format. */
function toList({ model, vectors, tokenCounts }: Embedded, isBase64: boolean): string {
  const data = vectors.map((vector, index) => {
    const embedding = isBase64 ? `"${toBase64(vector)}"` : toJsonArray(vector);
    return `{"object":"embedding","index":${index},"embedding":${embedding}}`;
  });
  const tokens = tokenCounts.reduce((total, count) => total + count, 0);
  const usage = `{"prompt_tokens":${tokens},"total_tokens":${tokens}}`;
  return `{"object":"list","data":[${data.join(",")}],"model":${JSON.stringify(model)},"usage":${usage}}`;
}
