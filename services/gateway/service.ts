import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type EmbeddingSchema,
  type EmbedStreamRequest,
  type EmbedStreamResponseSchema,
  GatewayService,
  Priority,
  VectorEncoding,
} from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { Priority as Urgency } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { type Clock, sleep } from "../../lib/clock.js";
import { type MeshError, toMeshError } from "../../lib/errors.js";
import { mapOrdered } from "../../lib/map-ordered.js";
import { type Binding, bind, type CallContext } from "../../lib/rpc/call.js";
import { toStatus } from "../../lib/rpc/status.js";
import type { GatewayConfig } from "./config.js";
import type { Embed, Embedded, EmbedOrder } from "./operations/embed.js";
import { unsaid } from "./operations/order.js";

/** How long a stream waits when the mesh is busy and does not say. */
const busyWaitMs = 100;

/** Connect, gRPC, gRPC-Web -> operations -> answers */
export function createGateway(
  config: Pick<GatewayConfig, "inputsMax" | "streamWindow">,
  deps: { readonly embed: Embed; readonly clock: Clock },
): Binding {
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
      mapOrdered(requests, config.streamWindow, (request, index) =>
        embedOne(request, { index, context, ...deps }),
      ),
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

/** One text of a stream. It never rejects: what goes wrong is this text's answer. */
async function embedOne(
  request: EmbedStreamRequest,
  call: {
    readonly index: number;
    readonly context: CallContext;
    readonly embed: Embed;
    readonly clock: Clock;
  },
): Promise<MessageInitShape<typeof EmbedStreamResponseSchema>> {
  const index = BigInt(call.index);
  const order = {
    ...orderOf(request),
    inputs: [request.input],
    inputsMax: 1,
    priority: priorityOf(request.priority, Urgency.BULK),
  };
  try {
    const embedded = await embedPatiently(order, call);
    return {
      index,
      result: { case: "embedding", value: toEmbedding(embedded, 0, request.encoding) },
    };
  } catch (thrown) {
    const error = toMeshError(thrown);
    return { index, result: { case: "error", value: toStatus(error, call.context.requestId) } };
  }
}

/** A stream is slowed down where a single request would be refused. It ends with its own deadline. */
async function embedPatiently(
  order: EmbedOrder,
  {
    context,
    embed,
    clock,
  }: { readonly context: CallContext; readonly embed: Embed; readonly clock: Clock },
): Promise<Embedded> {
  for (;;) {
    try {
      return await embed(order, context);
    } catch (thrown) {
      const error = toMeshError(thrown);
      if (!isPassing(error) || context.signal.aborted) throw error;
      await sleep(clock, error.details.retryAfterMs ?? busyWaitMs);
    }
  }
}

function isPassing({ fault, details }: MeshError): boolean {
  return fault === "overloaded" || (fault === "limited" && details.retryAfterMs !== undefined);
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
