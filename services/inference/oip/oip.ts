import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  GRPCInferenceService,
  type ModelInferRequest,
  type ModelMetadataResponse_TensorMetadataSchema as TensorMetadataSchema,
} from "../../../gen/inference/grpc_service_pb.js";
import type { Clock } from "../../../lib/clock.js";
import { MeshError } from "../../../lib/errors.js";
import {
  absentHandlers,
  inferEach,
  serverMetadata,
  toInferAnswer,
} from "../../../lib/oip/answers.js";
import { readOptions } from "../../../lib/oip/parameters.js";
import { requireName, timeoutExpired, unsupported } from "../../../lib/oip/refusal.js";
import { readInputs, readOutputNames } from "../../../lib/oip/tensors.js";
import { type Binding, bind, type CallContext, type Handlers } from "../../../lib/rpc/call.js";
import { within } from "../../../lib/rpc/within.js";
import type {
  ModelRepository,
  ServedModel,
  TensorMetadata,
  VersionStatus,
} from "../models/served-model.js";
import { validateIds } from "./oip-ids.js";
import { configOf, platform, statisticsOf } from "./oip-model.js";

/** Requests of one ModelStreamInfer in work at once. */
const streamWindow = 16;

export interface OipDeps {
  readonly repository: ModelRepository;
  readonly clock: Clock;
  /** Version of the server, for ServerMetadata. */
  readonly version: string;
  /** Whether callers may load and unload models. */
  readonly isControlAllowed: boolean;
}

/** tensors -> model -> tensors, in the words of the Open Inference Protocol */
export function createOip(deps: OipDeps): Binding {
  const infer = (request: ModelInferRequest, context: CallContext) =>
    inferOne(request, context, deps);
  return bind(GRPCInferenceService, {
    ...absentHandlers,
    ...repositoryHandlers(deps),
    ...describingHandlers(deps),
    modelInfer: infer,
    modelStreamInfer: (requests, context) =>
      inferEach(requests, { window: streamWindow, context }, infer),
  });
}

async function inferOne(
  request: ModelInferRequest,
  context: CallContext,
  { repository, clock }: OipDeps,
) {
  const model = resolve(repository, request.modelName, request.modelVersion);
  const inputs = readInputs(request);
  validateIds(model.spec, inputs);
  const outputNames = readOutputNames(request);
  const { timeoutMs, ...options } = readOptions(request.parameters);
  const run = ({ signal, trace }: CallContext) =>
    model.runTensors(inputs, outputNames, { ...options, signal, trace });
  const outputs =
    timeoutMs === undefined
      ? await run(context)
      : await within(context, { ms: timeoutMs, clock, error: timeoutExpired }, run);
  return toInferAnswer(request, model, outputs);
}

function describingHandlers({ repository, version }: OipDeps) {
  return {
    serverLive: () => ({ live: true }),
    serverReady: () => ({ ready: isReady(repository) }),
    serverMetadata: () => serverMetadata(version),

    modelReady({ name, version }) {
      try {
        return { ready: resolve(repository, name, version).isHealthy };
      } catch (thrown) {
        if (thrown instanceof MeshError && thrown.fault === "not_found") return { ready: false };
        throw thrown;
      }
    },

    modelMetadata({ name, version }) {
      const model = resolve(repository, name, version);
      const versions = version === "" ? readyVersions(repository, model.name) : [model.version];
      const { inputs, outputs } = model;
      return {
        name: model.name,
        versions,
        platform,
        inputs: inputs.map(toTensorMetadata),
        outputs: outputs.map(toTensorMetadata),
      };
    },

    modelConfig: ({ name, version }) => ({ config: configOf(resolve(repository, name, version)) }),

    modelStatistics({ name, version }) {
      const models = modelsOf(repository, name, version);
      return { modelStats: models.map(statisticsOf) };
    },
  } satisfies Partial<Handlers<typeof GRPCInferenceService>>;
}

function repositoryHandlers({ repository, isControlAllowed }: OipDeps) {
  const requireControl = (): void => {
    if (!isControlAllowed)
      throw new MeshError("forbidden", "models cannot be changed here (MODEL_CONTROL=none)");
  };
  return {
    repositoryIndex({ repositoryName, ready }) {
      requireOneRepository(repositoryName);
      const versions = repository.versions().filter(({ state }) => !ready || state === "ready");
      return { models: versions.map(toIndex) };
    },

    async repositoryModelLoad({ repositoryName, modelName, parameters }) {
      requireControl();
      requireOneRepository(repositoryName);
      requireName(modelName, "model_name");
      if (Object.keys(parameters).length > 0) {
        throw unsupported("a configuration or files in the request to load a model are");
      }
      await repository.load(modelName);
      return {};
    },

    async repositoryModelUnload({ repositoryName, modelName }) {
      requireControl();
      requireOneRepository(repositoryName);
      requireName(modelName, "model_name");
      await repository.unload(modelName);
      return {};
    },
  } satisfies Partial<Handlers<typeof GRPCInferenceService>>;
}

function resolve(repository: ModelRepository, name: string, version: string): ServedModel {
  requireName(name, "model_name");
  requireName(version, "model_version");
  return repository.resolve(name, version);
}

/** Whatever serves answers. A server without a model is ready for the first, unless it is loading that now. */
function isReady(repository: ModelRepository): boolean {
  const versions = repository.versions();
  const ready = versions.filter(({ state }) => state === "ready");
  if (ready.length === 0) return versions.every(({ state }) => state !== "loading");
  return ready.every(({ model, version }) => repository.resolve(model, version).isHealthy);
}

function readyVersions(repository: ModelRepository, model: string): string[] {
  const versions = repository.versions();
  return versions
    .filter((other) => other.model === model && other.state === "ready")
    .map(({ version }) => version);
}

/** All versions of all models, of one model, or one version. */
function modelsOf(repository: ModelRepository, name: string, version: string): ServedModel[] {
  if (name !== "" && version !== "") return [resolve(repository, name, version)];
  const wanted = name === "" ? undefined : resolve(repository, name, "").name;
  return repository
    .versions()
    .filter(({ model, state }) => state === "ready" && (wanted ?? model) === model)
    .map(({ model, version }) => repository.resolve(model, version));
}

function requireOneRepository(name: string): void {
  if (name !== "") throw unsupported("more than one repository, told apart by names, is");
}

function toIndex({ model, version, state, reason }: VersionStatus) {
  return { name: model, version, state: state.toUpperCase(), reason };
}

function toTensorMetadata({
  name,
  datatype,
  shape,
}: TensorMetadata): MessageInitShape<typeof TensorMetadataSchema> {
  return { name, datatype, shape: shape.map(BigInt) };
}
