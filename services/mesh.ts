import { ROOT_CONTEXT } from "@opentelemetry/api";
import { RepositoryService } from "../gen/arrowmesh/inference/v1/repository_pb.js";
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from "../gen/grpc/health/v1/health_pb.js";
import { addAdminRoutes } from "../lib/admin-routes.js";
import { readConfig } from "../lib/config.js";
import { openInternalServer } from "../lib/internal-server.js";
import { ModelCatalog } from "../lib/model-catalog.js";
import type { Binding, CallContext, Channel } from "../lib/rpc/call.js";
import { createOpenEntry } from "../lib/rpc/entry.js";
import { forward } from "../lib/rpc/forward.js";
import { createGrpcChannel } from "../lib/rpc/grpc-channel.js";
import { createHealth, type NamedHealth } from "../lib/rpc/health.js";
import { createLocalChannel } from "../lib/rpc/local-channel.js";
import { createReflection } from "../lib/rpc/reflection.js";
import { Admission } from "./gateway/admission.js";
import {
  authenticate,
  isPublicCall,
  requireAuthenticationOnPublic,
} from "./gateway/authentication.js";
import { addCohereRoutes } from "./gateway/cohere/routes.js";
import { gatewaySchema } from "./gateway/config.js";
import { openEdge } from "./gateway/edge.js";
import { Limiter } from "./gateway/limiter.js";
import { createGatewayMetrics } from "./gateway/metrics.js";
import { createModelDirectory } from "./gateway/model-directory.js";
import { createOipGateway } from "./gateway/oip/gateway.js";
import { addOipRoutes } from "./gateway/oip/routes.js";
import { addOpenAiRoutes } from "./gateway/openai/routes.js";
import { adminSchemas } from "./gateway/openapi/admin-schemas.js";
import { addOpenApiRoutes } from "./gateway/openapi/routes.js";
import { createOperations } from "./gateway/operations/operations.js";
import { createTokenizerGateway } from "./gateway/rpc/tokenizer.js";
import { createGateway } from "./gateway/service.js";
import { createTeiServices } from "./gateway/tei/grpc/services.js";
import { addTeiRoutes } from "./gateway/tei/routes.js";
import { VectorCache } from "./gateway/vector-cache.js";
import { inferenceSchema } from "./inference/config.js";
import { openRepository } from "./inference/models/open-repository.js";
import { createOip } from "./inference/oip/oip.js";
import { createRepositoryService } from "./inference/repository-service.js";
import { createInference } from "./inference/service.js";
import type { Platform } from "./platform.js";
import { pullOnStart } from "./pull-on-start.js";
import { ratelimitSchema } from "./ratelimit/config.js";
import { createRatelimitMetrics } from "./ratelimit/metrics.js";
import { openStore } from "./ratelimit/open-store.js";
import { createPolicy } from "./ratelimit/policy.js";
import { createRatelimit } from "./ratelimit/service.js";
import { tokenizerSchema } from "./tokenizer/config.js";

export const internalRoles = ["ratelimit", "tokenizer", "inference"] as const;
export type InternalRole = (typeof internalRoles)[number];
export type Role = "gateway" | InternalRole;

/** A role that runs in this process. */
interface Built {
  readonly bindings: readonly Binding[];
  readonly isReady: () => boolean;
  /** Health of the models it serves, if it does. */
  readonly models?: NamedHealth;
}

/** A way to a role, here or elsewhere. */
interface Reached {
  readonly channel: Channel;
  readonly isRemote: boolean;
  readonly isReady: () => Promise<boolean>;
}

/** Where each internal service is built, and the only place that is. */
const build: Record<InternalRole, (platform: Platform) => Promise<Built>> = {
  ratelimit: async (platform) => {
    const config = readConfig(ratelimitSchema, platform.env);
    const store = openStore(config, platform);
    const policy = createPolicy(config);
    const count = createRatelimitMetrics(platform.registry);
    return {
      bindings: [createRatelimit({ policy, store, count })],
      isReady: () => store.isReady(),
    };
  },

  tokenizer: async ({ env, registry }) => {
    // Loaded here only: the small image of the other roles has no native tokenizer.
    const { createTokenizer } = await import("./tokenizer/service.js");
    const config = readConfig(tokenizerSchema, env);
    const catalog = new ModelCatalog(config);
    return { bindings: [createTokenizer(config, { catalog, registry })], isReady: () => true };
  },

  inference: async (platform) => {
    const config = readConfig(inferenceSchema, platform.env);
    const repository = await openRepository(config, platform);
    return {
      bindings: [
        createInference(config, repository),
        createRepositoryService(config, repository),
        createOip({ ...config, repository, clock: platform.clock, version: platform.version }),
      ],
      isReady: () => repository.isReady,
      models: async () => modelHealth(repository.loaded()),
    };
  },
};

/** The ports of internal roles that have a process of their own, and where a gateway alone looks for them. */
const portOf: Record<InternalRole, (env: NodeJS.ProcessEnv) => number> = {
  ratelimit: (env) => readConfig(ratelimitSchema, env).port,
  tokenizer: (env) => readConfig(tokenizerSchema, env).port,
  inference: (env) => readConfig(inferenceSchema, env).port,
};

/** The whole mesh on one public port: roles without an address run in this process. Returns the port. */
export async function serveMesh(platform: Platform): Promise<number> {
  await pullOnStart(platform);
  return await serveGateway(platform, async (role, address) =>
    address === undefined ? await reachLocally(role, platform) : reachRemotely(address, platform),
  );
}

/** The gateway alone: every other role is elsewhere, by default on its own port of this machine. */
export async function serveGatewayAlone(platform: Platform): Promise<number> {
  return await serveGateway(platform, async (role, address) =>
    reachRemotely(address ?? `127.0.0.1:${portOf[role](platform.env)}`, platform),
  );
}

/** One internal role on its own port. Returns the port. */
export async function serveRole(role: InternalRole, platform: Platform): Promise<number> {
  const { clock, config, drain, interceptors } = platform;
  if (role !== "ratelimit") await pullOnStart(platform);
  const { bindings, isReady, models = noModels } = await build[role](platform);
  const isReadyNow = async (): Promise<boolean> => isReady() && !drain.started.aborted;
  return await openInternalServer({
    ...platform,
    ...config,
    role,
    port: portOf[role](platform.env),
    openEntry: createOpenEntry(clock, {
      unaryMsMax: config.requestMsMax,
      streamMsMax: config.streamMsMax,
    }),
    bindings: [
      ...bindings.map((binding) => ({ binding, interceptors: interceptors.remote })),
      ...standardBindings(bindings, { isReady: isReadyNow, models }, platform),
    ],
    isReady: isReadyNow,
    draining: drain.started,
  });
}

async function serveGateway(
  platform: Platform,
  reach: (role: InternalRole, address: string | undefined) => Promise<Reached>,
): Promise<number> {
  const { clock, config: common, drain, interceptors, registry, version } = platform;
  const config = readConfig(gatewaySchema, platform.env);
  requireAuthenticationOnPublic(common.host, config);
  const edgeInterceptors =
    config.apiKey === undefined
      ? interceptors.remote
      : [...interceptors.remote, authenticate(config.apiKey)];
  const ratelimit = await reach("ratelimit", config.ratelimitAddress);
  const tokenizer = await reach("tokenizer", config.tokenizerAddress);
  const inference = await reach("inference", config.inferenceAddress);
  const peers = [ratelimit, tokenizer, inference];
  const isReady = async (): Promise<boolean> => {
    if (drain.started.aborted) return false;
    return (await Promise.all(peers.map((peer) => peer.isReady()))).every(Boolean);
  };

  const limiter = new Limiter(ratelimit.channel, config.reservationMs, {
    ...platform,
    isRatelimitRemote: ratelimit.isRemote,
  });
  platform.defer(() => limiter.settled());
  const metrics = createGatewayMetrics(registry);
  const admission = new Admission(config.admittedInputsMax, metrics.shed);
  const cache = new VectorCache(config.cacheBytesMax, metrics.cache);
  metrics.observe({ cacheBytes: () => cache.bytes, inputs: () => admission.inputs });
  const directory = createModelDirectory(inference.channel, { clock, random: Math.random });
  const operations = createOperations({
    tokenizer: tokenizer.channel,
    isTokenizerRemote: tokenizer.isRemote,
    inference: inference.channel,
    computeMsMax: common.requestMsMax,
    ...{ directory, limiter, admission, cache, clock },
  });
  const { embed } = operations;
  const models: NamedHealth = async () => modelHealth(await directory.list());
  const gateway = createGateway(config, { operations, directory, clock });
  const tokens = createTokenizerGateway(config, {
    ...{ directory, limiter, clock },
    tokenizer: tokenizer.channel,
  });
  const repository = forward(RepositoryService, inference.channel, () => {
    void directory.refresh().catch(() => undefined);
  });
  const oip = createOipGateway(config, {
    ...{ directory, embed, limiter, clock },
    inference: inference.channel,
    version,
  });
  const tei = createTeiServices(config, { operations, directory, clock, version });
  const served = [gateway, tokens, repository, oip, ...tei];
  return await openEdge({
    ...platform,
    host: common.host,
    config,
    openEntry: createOpenEntry(clock, {
      unaryMsMax: common.requestMsMax,
      streamMsMax: common.streamMsMax,
    }),
    interceptors: edgeInterceptors,
    bindings: [
      ...served.map((binding) => ({ binding, interceptors: edgeInterceptors })),
      ...standardBindings(served, { isReady, models }, platform),
    ],
    addRoutes: (app) => {
      addOpenApiRoutes(app, {
        version: platform.version,
        isPublicCall: config.apiKey === undefined ? undefined : isPublicCall,
      });
      addAdminRoutes(app, { isReady, registry, schemas: adminSchemas });
      addTeiRoutes(app, config, { operations, directory, admission, registry, version });
      addOpenAiRoutes(app, config, { operations, directory, admission, clock });
      addCohereRoutes(app, config, { operations, admission, clock });
      addOipRoutes(app, config, { oip });
    },
  });
}

/** Health and reflection: answered while the server drains, and not worth a span or a log line. */
function standardBindings(
  bindings: readonly Binding[],
  ask: { readonly isReady: () => Promise<boolean>; readonly models: NamedHealth },
  { clock, drain }: Platform,
) {
  const services = bindings.map(({ service }) => service);
  const health = createHealth({
    services: services.map(({ typeName }) => typeName),
    ...ask,
    draining: drain.started,
    clock,
  });
  const reflection = createReflection([...services, Health]);
  return [health, ...reflection].map((binding) => ({ binding, interceptors: [] }));
}

/** A model is healthy while one of its versions is. */
function modelHealth(
  models: readonly { readonly name: string; readonly isHealthy: boolean }[],
): ReadonlyMap<string, boolean> {
  const health = new Map<string, boolean>();
  for (const { name, isHealthy } of models) {
    health.set(name, isHealthy || health.get(name) === true);
  }
  return health;
}

const noModels: NamedHealth = async () => new Map();

async function reachLocally(role: InternalRole, platform: Platform): Promise<Reached> {
  const { bindings, isReady } = await build[role](platform);
  const channel = createLocalChannel({ role, bindings, interceptors: platform.interceptors.local });
  return { channel, isRemote: false, isReady: async () => isReady() };
}

/** How long a peer may take to say that it is ready. */
const peerReadyMsMax = 1_000;

function reachRemotely(address: string, platform: Platform): Reached {
  const { clock, config, defer } = platform;
  const { messageBytesMax } = config;
  const channel = createGrpcChannel({ address, clock, messageBytesMax, defer });
  const health = channel.client(Health);
  return {
    channel,
    isRemote: true,
    async isReady() {
      const context: CallContext = {
        signal: AbortSignal.timeout(peerReadyMsMax),
        deadlineAtMs: clock.nowMs() + peerReadyMsMax,
        trace: ROOT_CONTEXT,
        requestId: "ready",
        clientIp: "",
      };
      try {
        return (await health.check({}, context)).status === Serving.SERVING;
      } catch {
        // Whatever is wrong with the peer, it is not ready.
        return false;
      }
    },
  };
}
