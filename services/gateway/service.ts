import { type ClassifyRequest, GatewayService } from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import type { Clock } from "../../lib/clock.js";
import { MeshError } from "../../lib/errors.js";
import { requireSet } from "../../lib/rpc/answer-each.js";
import { type Binding, bind, type CallContext, type Handlers } from "../../lib/rpc/call.js";
import { answerEach, type Form, type StreamOptions } from "./answer-each.js";
import type { GatewayConfig } from "./config.js";
import type { ModelDirectory } from "./model-directory.js";
import type { Operations } from "./operations/operations.js";
import { toAnswered, toModel, toVectors } from "./rpc/answers.js";
import { firstOf, inputOf, inputsOf, orderOf } from "./rpc/requests.js";

type Config = Pick<GatewayConfig, "inputsMax" | "streamWindow">;
type GatewayHandlers = Handlers<typeof GatewayService>;

/** Connect, gRPC, gRPC-Web -> operations -> answers */
export function createGateway(
  config: Config,
  deps: {
    readonly operations: Operations;
    readonly directory: ModelDirectory;
    readonly clock: Clock;
  },
): Binding {
  const stream = { window: config.streamWindow, clock: deps.clock };
  return bind(GatewayService, {
    ...embedHandlers(config, deps.operations, stream),
    ...classifyHandlers(config, deps.operations, stream),
    ...compareHandlers(config, deps.operations),
    listModels: async () => ({ models: (await deps.directory.list()).map(toModel) }),
  });
}

function embedHandlers(
  { inputsMax }: Config,
  operations: Operations,
  stream: StreamOptions,
): Pick<GatewayHandlers, "embed" | "embedStream" | "embedTokens" | "embedSparse"> {
  return {
    async embed(request, context) {
      const { normalize = true, dimensions } = request;
      const own = { inputs: inputsOf(request), normalize, dimensions };
      const order = Object.assign(orderOf(request, inputsMax, "single"), own);
      const { vectors, usage } = await operations.embed(order, context);
      return {
        model: usage.model,
        embeddings: vectors.map((vector, row) =>
          toVectors(vector, usage.tokenCounts[row], request.encoding),
        ),
        inputTokens: usage.tokens,
      };
    },

    embedStream: (requests, context) =>
      answerEach(requests, context, stream, async (request, inner) => {
        const { normalize = true, dimensions } = request;
        const own = { inputs: [inputOf(request)], normalize, dimensions };
        const order = Object.assign(orderOf(request, 1, "streamed"), own);
        const { vectors, usage } = await operations.embed(order, inner);
        const value = toVectors(vectors[0], usage.tokenCounts[0], request.encoding);
        return { case: "embedding" as const, value };
      }),

    async embedTokens(request, context) {
      const own = { inputs: inputsOf(request) };
      const order = Object.assign(orderOf(request, inputsMax, "single"), own);
      const { vectors, dimensions, usage } = await operations.embedTokens(order, context);
      const tokenVectors = vectors.map((rows, at) =>
        toVectors(rows, usage.tokenCounts[at], request.encoding),
      );
      return { ...toAnswered(usage), dimensions, tokenVectors };
    },

    async embedSparse(request, context) {
      const own = { inputs: inputsOf(request) };
      const order = Object.assign(orderOf(request, inputsMax, "single"), own);
      const { vectors, usage } = await operations.embedSparse(order, context);
      const embeddings = vectors.map(({ ids, weights }, row) => ({
        ids,
        weights,
        inputTokens: usage.tokenCounts[row] ?? 0,
      }));
      return { ...toAnswered(usage), embeddings };
    },
  };
}

function classifyHandlers(
  { inputsMax }: Config,
  operations: Operations,
  stream: StreamOptions,
): Pick<GatewayHandlers, "classify" | "classifyStream"> {
  const classify = async (request: ClassifyRequest, context: CallContext, form: Form) => {
    const { raw: isRaw, labelsMax } = request;
    const own = { inputs: inputsOf(request), isRaw };
    const order = Object.assign(orderOf(request, inputsMax, form), own);
    const { predictions, usage } = await operations.classify(order, context);
    const classifications = predictions.map((scores, row) => ({
      scores: firstOf(scores, labelsMax, "labels_max").map((scored) => ({ ...scored })),
      inputTokens: usage.tokenCounts[row] ?? 0,
    }));
    return { ...toAnswered(usage), classifications };
  };
  return {
    classify: (request, context) => classify(request, context, "single"),

    classifyStream: (requests, context) =>
      answerEach(requests, context, stream, async ({ request }, inner) => {
        const value = await classify(requireSet(request), inner, "streamed");
        return { case: "classified" as const, value };
      }),
  };
}

function compareHandlers(
  { inputsMax }: Config,
  operations: Operations,
): Pick<GatewayHandlers, "rerank" | "compare"> {
  return {
    async rerank(request, context) {
      const { query, texts, raw: isRaw, ranksMax } = request;
      const own = { query, texts, isRaw };
      const order = Object.assign(orderOf(request, inputsMax, "single"), own);
      const { ranks, usage } = await operations.rerank(order, context);
      const best = firstOf(ranks, ranksMax, "ranks_max").map((ranked) => ({ ...ranked }));
      return { ...toAnswered(usage), ranks: best };
    },

    async compare(request, context) {
      const { source, texts } = request;
      if (texts.length === 0) throw new MeshError("empty", "texts is empty");
      const own = { inputs: [source, ...texts] };
      const order = Object.assign(orderOf(request, inputsMax + 1, "single"), own);
      const { cosines, usage } = await operations.compare(order, context);
      return { ...toAnswered(usage), cosines: [...cosines] };
    },
  };
}
