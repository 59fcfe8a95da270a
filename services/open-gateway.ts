import { create } from "@bufbuild/protobuf";
import { RepositoryService } from "../gen/arrowmesh/inference/v1/repository_pb.js";
import {
  type GetStatusResponse,
  GetStatusResponseSchema,
} from "../gen/arrowmesh/status/v1/status_pb.js";
import { addAdminRoutes } from "../lib/admin-routes.js";
import { readConfig } from "../lib/config.js";
import type { Binding } from "../lib/rpc/call.js";
import { createOpenEntry } from "../lib/rpc/entry.js";
import { forward } from "../lib/rpc/forward.js";
import type { NamedHealth } from "../lib/rpc/health.js";
import { Admission } from "./gateway/admission.js";
import {
  authenticate,
  isPublicCall,
  requireAuthenticationOnPublic,
} from "./gateway/authentication.js";
import { createReadCaller } from "./gateway/caller.js";
import { addCohereRoutes } from "./gateway/cohere/routes.js";
import { type GatewayConfig, gatewaySchema } from "./gateway/config.js";
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
import { PeerStatuses } from "./gateway/status/peer-statuses.js";
import { addStatusRoutes } from "./gateway/status/routes.js";
import { createTeiServices } from "./gateway/tei/grpc/services.js";
import { addTeiRoutes } from "./gateway/tei/routes.js";
import { VectorCache } from "./gateway/vector-cache.js";
import type { Platform } from "./platform.js";
import { openOwnCall, type Reached } from "./reach.js";
import { modelHealth, standardBindings } from "./standard-bindings.js";
import { createReadProcess } from "./status/read-process.js";
import { createStatusService } from "./status/service.js";
import { toStatusJson } from "./status/to-json.js";

/** The roles behind the gateway. */
type PeerRole = "ratelimit" | "tokenizer" | "inference";
type Peers = Readonly<Record<PeerRole, Reached>>;

/** Builds the gateway and opens its port: everything it can do, in every protocol. Returns the port. */
export async function openGateway(
  platform: Platform,
  reach: (role: PeerRole, address: string | undefined) => Promise<Reached>,
): Promise<number> {
  const { clock, config: common, drain, interceptors, registry, version } = platform;
  const config = readConfig(gatewaySchema, platform.env);
  requireAuthenticationOnPublic(common.host, config);
  const edgeInterceptors =
    config.apiKey === undefined
      ? interceptors.remote
      : [...interceptors.remote, authenticate(config.apiKey, config.apiKeyTier)];
  const peers: Peers = {
    ratelimit: await reach("ratelimit", config.ratelimitAddress),
    tokenizer: await reach("tokenizer", config.tokenizerAddress),
    inference: await reach("inference", config.inferenceAddress),
  };
  const isReady = async (): Promise<boolean> => {
    if (drain.started.aborted) return false;
    return (await Promise.all(Object.values(peers).map((peer) => peer.isReady()))).every(Boolean);
  };
  const parts = createParts(config, peers, platform);
  const { operations, directory, admission } = parts;
  const oip = createOipGateway(config, {
    ...{ ...parts, clock, version },
    embed: operations.embed,
    inference: peers.inference.channel,
  });
  const readStatus = createReadStatus(config, peers, platform);
  const served = [
    ...createServices(config, parts, { peers, platform }),
    oip,
    createStatusService(readStatus),
  ];
  const models: NamedHealth = async () => modelHealth(await directory.list());
  return await openEdge({
    ...platform,
    host: common.host,
    config,
    openEntry: createOpenEntry(clock, {
      unaryMsMax: common.requestMsMax,
      streamMsMax: common.streamMsMax,
      tracing: platform.tracing,
      redact: platform.redact,
      readCaller: createReadCaller(config),
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
      addStatusRoutes(app, async () => toStatusJson(await readStatus()));
      addTeiRoutes(app, config, { operations, directory, admission, version });
      addOpenAiRoutes(app, config, { operations, directory, admission, clock });
      addCohereRoutes(app, config, { operations, admission, clock });
      addOipRoutes(app, config, { oip });
    },
  });
}

/** What the process says of itself and of those behind it. */
function createReadStatus(
  { jaegerUiUrl }: GatewayConfig,
  peers: Peers,
  platform: Platform,
): () => Promise<GetStatusResponse> {
  const { clock, drain } = platform;
  const all = Object.entries(peers);
  const here = all.filter(([, { isRemote }]) => !isRemote);
  const elsewhere = all.filter(([, { isRemote }]) => isRemote);
  const readProcess = createReadProcess({
    ...platform,
    roles: ["gateway", ...here.map(([role]) => role)],
    isReady: async () => {
      const areReady = await Promise.all(here.map(([, { isReady }]) => isReady()));
      return !drain.started.aborted && areReady.every(Boolean);
    },
  });
  const peerStatuses = new PeerStatuses(
    Object.fromEntries(elsewhere.map(([role, { probes }]) => [role, probes])),
    { clock, openCall: (timeoutMs) => openOwnCall("status", timeoutMs, clock) },
  );
  const traceUrl = jaegerUiUrl === undefined ? "" : `${jaegerUiUrl.replace(/\/$/, "")}/trace/`;
  return async () => {
    const [own, others] = await Promise.all([readProcess(), peerStatuses.read()]);
    const serving = others.filter(({ answering, ready }) => answering && ready);
    const ready =
      own.ready &&
      elsewhere.every(([role]) => serving.some((process) => process.roles.includes(role)));
    return create(GetStatusResponseSchema, { processes: [{ ...own, ready }, ...others], traceUrl });
  };
}

/** What all protocols stand on. */
function createParts(config: GatewayConfig, peers: Peers, platform: Platform) {
  const { ratelimit, tokenizer, inference } = peers;
  const { clock, config: common } = platform;
  const metrics = createGatewayMetrics({ ...platform, ...common });
  const limiter = new Limiter(ratelimit.channel, config, {
    ...platform,
    isRatelimitRemote: ratelimit.isRemote,
    counts: metrics,
  });
  platform.defer(() => limiter.settled());
  const admission = new Admission(config.admittedInputsMax, metrics.shed);
  const cache = new VectorCache(config.cacheBytesMax, metrics.cache);
  metrics.observe({ cacheBytes: () => cache.bytes, inputs: () => admission.inputs });
  const directory = createModelDirectory(inference.channel, { clock, random: Math.random });
  const operations = createOperations({
    tokenizer: tokenizer.channel,
    isTokenizerRemote: tokenizer.isRemote,
    inference: inference.channel,
    isInferenceRemote: inference.isRemote,
    computeMsMax: common.requestMsMax,
    ...{ directory, limiter, admission, cache, clock },
    counts: metrics.work,
  });
  return { limiter, admission, directory, operations };
}

/** The contracts that the edge serves as RPC, but for the Open Inference Protocol's, which has routes as well. */
function createServices(
  config: GatewayConfig,
  { operations, directory, limiter }: ReturnType<typeof createParts>,
  {
    peers: { tokenizer, inference },
    platform: { clock, version },
  }: { readonly peers: Peers; readonly platform: Platform },
): readonly Binding[] {
  return [
    createGateway(config, { operations, directory, clock }),
    createTokenizerGateway(config, {
      ...{ directory, limiter, clock },
      tokenizer: tokenizer.channel,
    }),
    forward(RepositoryService, inference.channel, () => {
      void directory.refresh().catch(() => undefined);
    }),
    ...createTeiServices(config, { operations, directory, clock, version }),
  ];
}
