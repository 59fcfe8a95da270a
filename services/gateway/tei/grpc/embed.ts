import {
  type EmbedAllRequest,
  type EmbedRequest,
  Embed as EmbedService,
  type EmbedSparseRequest,
} from "../../../../gen/tei/v1/tei_pb.js";
import { type Binding, bind, type CallContext } from "../../../../lib/rpc/call.js";
import type { StreamOptions } from "../../answer-each.js";
import type { Operations } from "../../operations/operations.js";
import { formsOf } from "./forms.js";
import { orderOf } from "./order.js";

/** tei.v1.Embed -> vectors: of a text, sparse, or of its tokens */
export function createTeiEmbed(operations: Operations, stream: StreamOptions): Binding {
  const pooled = formsOf(async (request: EmbedRequest, context: CallContext, form) => {
    const { inputs, normalize = true, dimensions } = request;
    const own = { inputs: [inputs], normalize, dimensions };
    const order = Object.assign(orderOf(request, form), own);
    const { vectors, usage } = await operations.embed(order, context);
    return { results: { embeddings: [...(vectors[0] ?? [])] }, usage };
  }, stream);

  const sparse = formsOf(async (request: EmbedSparseRequest, context: CallContext, form) => {
    const order = Object.assign(orderOf(request, form), { inputs: [request.inputs] });
    const { vectors, usage } = await operations.embedSparse(order, context);
    const { ids, weights } = vectors[0] ?? { ids: [], weights: [] };
    const values = ids.map((index, at) => ({ index, value: weights[at] ?? 0 }));
    return { results: { sparseEmbeddings: values }, usage };
  }, stream);

  const all = formsOf(async (request: EmbedAllRequest, context: CallContext, form) => {
    const order = Object.assign(orderOf(request, form), { inputs: [request.inputs] });
    const { vectors, dimensions, usage } = await operations.embedTokens(order, context);
    return { results: { tokenEmbeddings: rowsOf(vectors[0], dimensions) }, usage };
  }, stream);

  return bind(EmbedService, {
    embed: pooled.single,
    embedStream: pooled.streamed,
    embedSparse: sparse.single,
    embedSparseStream: sparse.streamed,
    embedAll: all.single,
    embedAllStream: all.streamed,
  });
}

function rowsOf(vectors: Float32Array = new Float32Array(), dimensions: number) {
  return Array.from({ length: vectors.length / dimensions }, (_, row) => ({
    embeddings: [...vectors.subarray(row * dimensions, (row + 1) * dimensions)],
  }));
}
