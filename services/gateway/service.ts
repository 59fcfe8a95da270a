import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type EmbeddingSchema,
  type EmbedStreamRequest,
  GatewayService,
  Priority,
  VectorEncoding,
} from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { Priority as Urgency } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { Clock } from "../../lib/clock.js";
import { type Binding, bind } from "../../lib/rpc/call.js";
import { answerEach } from "./answer-each.js";
import type { GatewayConfig } from "./config.js";
import type { Embed, Embedded } from "./operations/embed.js";
import { unsaid } from "./operations/order.js";

/** Connect, gRPC, gRPC-Web -> operations -> answers */
export function createGateway(
  config: Pick<GatewayConfig, "inputsMax" | "streamWindow">,
  deps: { readonly embed: Embed; readonly clock: Clock },
): Binding {
  const stream = { window: config.streamWindow, clock: deps.clock };
  return bind(GatewayService, {
    async embed(request, context) {
      const order = {
        ...orderOf(request),
        inputs: request.inputs,
        inputsMax: config.inputsMax,
        priority: priorityOf(request.priority, Urgency.INTERACTIVE),
      };
      const embedded = await deps.embed(order, context);
      return {
        model: embedded.model,
        embeddings: order.inputs.map((_, row) => toEmbedding(embedded, row, request.encoding)),
        inputTokens: embedded.tokenCounts.reduce((total, count) => total + count, 0),
      };
    },

    embedStream: (requests, context) =>
      answerEach(requests, context, stream, async (request) => {
        const order = {
          ...orderOf(request),
          inputs: [request.input],
          inputsMax: 1,
          priority: priorityOf(request.priority, Urgency.BULK),
        };
        const embedded = await deps.embed(order, context);
        return { case: "embedding" as const, value: toEmbedding(embedded, 0, request.encoding) };
      }),
  });
}

type Options = Pick<
  EmbedStreamRequest,
  "model" | "version" | "truncate" | "normalize" | "dimensions" | "promptName"
>;

function orderOf(request: Options) {
  const { model, version, truncate, normalize = true, dimensions, promptName } = request;
  return { ...unsaid, model, version, truncate, normalize, dimensions, promptName } as const;
}

/** The gateway's words for it are those of inference. */
function priorityOf(priority: Priority, usual: Urgency): Urgency {
  if (priority === Priority.UNSPECIFIED) return usual;
  return priority === Priority.BULK ? Urgency.BULK : Urgency.INTERACTIVE;
}

function toEmbedding(
  { vectors, tokenCounts }: Embedded,
  row: number,
  encoding: VectorEncoding,
): MessageInitShape<typeof EmbeddingSchema> {
  const vector = vectors[row] ?? new Float32Array();
  const inputTokens = tokenCounts[row] ?? 0;
  if (encoding !== VectorEncoding.FLOAT32_LE) return { values: [...vector], inputTokens };
  const float32Le = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  return { float32Le, inputTokens };
}
