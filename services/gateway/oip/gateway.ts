import {
  GRPCInferenceService,
  type ModelInferRequest,
} from "../../../gen/inference/grpc_service_pb.js";
import type { Clock } from "../../../lib/clock.js";
import {
  absentHandlers,
  type InferAnswer,
  inferEach,
  serverMetadata,
} from "../../../lib/oip/answers.js";
import { readOptions, requireParameters } from "../../../lib/oip/parameters.js";
import { requireName, timeoutExpired } from "../../../lib/oip/refusal.js";
import {
  type Binding,
  bind,
  type CallContext,
  type Channel,
  type Client,
  type Handlers,
} from "../../../lib/rpc/call.js";
import { within } from "../../../lib/rpc/within.js";
import type { GatewayConfig } from "../config.js";
import type { Limiter } from "../limiter.js";
import type { ModelDirectory } from "../model-directory.js";
import type { Embed } from "../operations/embed.js";
import { inferTensors } from "./tensors.js";
import { asksForText, inferTexts, textModelOf, withTextConfig, withTextMetadata } from "./texts.js";

type OipConfig = Pick<GatewayConfig, "inputsMax" | "streamWindow">;

export interface OipDeps {
  readonly inference: Channel;
  readonly directory: ModelDirectory;
  readonly embed: Embed;
  readonly limiter: Limiter;
  readonly clock: Clock;
  readonly version: string;
}

/** gRPC and REST of the Open Inference Protocol -> limits -> inference, or texts -> embed -> one tensor */
export function createOipGateway(config: OipConfig, deps: OipDeps): Binding {
  const inference = deps.inference.client(GRPCInferenceService);
  const infer = (request: ModelInferRequest, context: CallContext): Promise<InferAnswer> =>
    inferInTime(request, context, { ...config, ...deps, inference });
  const changeModels = <T>(context: CallContext, change: () => Promise<T>): Promise<T> =>
    deps.limiter.withRequest(context, "", async () => {
      const answer = await change();
      // The change is made even when nobody can be asked what it made; the directory asks again by itself.
      await deps.directory.refresh().catch(() => undefined);
      return answer;
    });
  return bind(GRPCInferenceService, {
    ...absentHandlers,
    ...describingHandlers(inference, deps),
    modelInfer: infer,
    modelStreamInfer: (requests, context) =>
      inferEach(requests, { window: config.streamWindow, context }, infer),
    repositoryIndex: (request, context) => inference.repositoryIndex(request, context),

    repositoryModelLoad: (request, context) =>
      changeModels(context, () => inference.repositoryModelLoad(request, context)),
    repositoryModelUnload: (request, context) =>
      changeModels(context, () => inference.repositoryModelUnload(request, context)),
  });
}

function describingHandlers(
  inference: Client<typeof GRPCInferenceService>,
  { directory, version }: OipDeps,
) {
  return {
    serverLive: () => ({ live: true }),
    serverMetadata: () => serverMetadata(version),

    async serverReady(request, context) {
      try {
        return await inference.serverReady(request, context);
      } catch {
        // Whatever keeps inference from answering, the mesh is not ready.
        return { ready: false };
      }
    },

    modelReady: (request, context) => inference.modelReady(request, context),

    async modelMetadata(request, context) {
      const metadata = await inference.modelMetadata(request, context);
      const model = await textModelOf(directory, request);
      return model === undefined ? metadata : withTextMetadata(metadata, model);
    },

    async modelConfig(request, context) {
      const { config } = await inference.modelConfig(request, context);
      const model = await textModelOf(directory, request);
      if (config === undefined || model === undefined) return { config };
      return { config: withTextConfig(config, model) };
    },

    modelStatistics: (request, context) => inference.modelStatistics(request, context),
  } satisfies Partial<Handlers<typeof GRPCInferenceService>>;
}

export interface InferDeps extends OipConfig, Omit<OipDeps, "inference"> {
  readonly inference: Client<typeof GRPCInferenceService>;
}

/** A request's own timeout bounds everything that is done for it, limits and tokens too. */
async function inferInTime(
  request: ModelInferRequest,
  context: CallContext,
  deps: InferDeps,
): Promise<InferAnswer> {
  requireName(request.modelName, "model_name");
  requireName(request.modelVersion, "model_version");
  requireName(request.id, "id");
  requireParameters(request.parameters, "parameters");
  const { timeoutMs } = readOptions(request.parameters);
  if (timeoutMs === undefined) return await inferOne(request, context, deps);
  const limit = { ms: timeoutMs, clock: deps.clock, error: timeoutExpired };
  return await within(context, limit, (inner) => inferOne(request, inner, deps));
}

async function inferOne(
  request: ModelInferRequest,
  context: CallContext,
  deps: InferDeps,
): Promise<InferAnswer> {
  if (asksForText(request)) {
    const { modelName: name, modelVersion: version } = request;
    const model = await textModelOf(deps.directory, { name, version });
    if (model !== undefined) return await inferTexts(request, { context, ...deps });
  }
  return await inferTensors(request, context, deps);
}
