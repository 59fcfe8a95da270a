import { create } from "@bufbuild/protobuf";
import type { FastifyInstance } from "fastify";
import { GetStatusResponseSchema } from "../gen/arrowmesh/status/v1/status_pb.js";
import { readConfig } from "../lib/config.js";
import { createRunHttpCall, type RunHttpCall } from "../lib/http-calls.js";
import { openInternalServer } from "../lib/internal-server.js";
import { ModelCatalog } from "../lib/model-catalog.js";
import type { Binding } from "../lib/rpc/call.js";
import { createOpenEntry } from "../lib/rpc/entry.js";
import type { NamedHealth } from "../lib/rpc/health.js";
import { createLocalChannel } from "../lib/rpc/local-channel.js";
import { observeCompatible } from "./inference/compatible-metrics.js";
import { inferenceSchema } from "./inference/config.js";
import { openRepository } from "./inference/models/open-repository.js";
import { createOip } from "./inference/oip/oip.js";
import { createRepositoryService } from "./inference/repository-service.js";
import { createInference } from "./inference/service.js";
import { openGateway } from "./open-gateway.js";
import type { Platform } from "./platform.js";
import { pullOnStart } from "./pull-on-start.js";
import { ratelimitSchema } from "./ratelimit/config.js";
import { openEnvoy } from "./ratelimit/envoy/open-envoy.js";
import { createRatelimitMetrics, observeReloads } from "./ratelimit/metrics.js";
import { openPolicy } from "./ratelimit/policy/open-policy.js";
import { createRatelimit } from "./ratelimit/service.js";
import { createStatus } from "./ratelimit/status.js";
import { MeteredStore } from "./ratelimit/stores/metered-store.js";
import { openGuardedStore } from "./ratelimit/stores/open-guarded-store.js";
import { type Reached, reachRemotely } from "./reach.js";
import { modelHealth, standardBindings } from "./standard-bindings.js";
import { createReadProcess } from "./status/read-process.js";
import { createStatusService } from "./status/service.js";
import { toStatusJson } from "./status/to-json.js";
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
  /** What it says of itself to people, besides what every role does. */
  readonly status?: () => object;
  /** What it serves besides where it has a process, and a port, of its own. */
  readonly openAlone?: () => Promise<Alone>;
}

interface Alone {
  readonly bindings: readonly Binding[];
  readonly addRoutes: (app: FastifyInstance, runCall: RunHttpCall) => Promise<void>;
}

/** Where each internal service is built, and the only place that is. */
const build: Record<InternalRole, (platform: Platform) => Promise<Built>> = {
  ratelimit: async (platform) => {
    const config = readConfig(ratelimitSchema, platform.env);
    const count = createRatelimitMetrics(platform);
    const { store, status } = await openGuardedStore(config, platform);
    const metered = new MeteredStore(store, count, platform.clock);
    count.observe(store, status);
    const policy = await openPolicy(config, platform);
    observeReloads(platform.registry, policy);
    return {
      bindings: [createRatelimit({ policy, store: metered, count })],
      // Whoever decides without the shared counters is of use without them.
      isReady: () => store.isReady() || !policy.current.isRefuseOnly,
      status: createStatus({ store, status, replicas: config.replicas, policy }),
      openAlone: () => openEnvoy(metered, platform),
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
    if (platform.config.areCompatibleMetricsServed) {
      observeCompatible(platform.registry, () =>
        repository.loaded().some((model) => repository.isDefault(model) && model.isHealthy),
      );
    }
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
  return await openGateway(platform, async (role, address) =>
    address === undefined
      ? await reachLocally(role, platform)
      : reachRemotely(role, address, platform),
  );
}

/** The gateway alone: every other role is elsewhere, by default on its own port of this machine. */
export async function serveGatewayAlone(platform: Platform): Promise<number> {
  return await openGateway(platform, async (role, address) =>
    reachRemotely(role, address ?? `127.0.0.1:${portOf[role](platform.env)}`, platform),
  );
}

/** One internal role on its own port. Returns the port. */
export async function serveRole(role: InternalRole, platform: Platform): Promise<number> {
  const { clock, config, drain, interceptors, tracing } = platform;
  if (role !== "ratelimit") await pullOnStart(platform);
  const { isReady, models = noModels, status, ...built } = await build[role](platform);
  const alone = await built.openAlone?.();
  const bindings = [...built.bindings, ...(alone?.bindings ?? [])];
  const isReadyNow = async (): Promise<boolean> => isReady() && !drain.started.aborted;
  const readProcess = createReadProcess({ ...platform, roles: [role], isReady: isReadyNow });
  const readStatus = async () =>
    create(GetStatusResponseSchema, { processes: [await readProcess()] });
  const statusService = createStatusService(readStatus);
  const openEntry = createOpenEntry(clock, {
    unaryMsMax: config.requestMsMax,
    streamMsMax: config.streamMsMax,
    ...{ role, tracing, redact: platform.redact },
  });
  const runCall = createRunHttpCall({ role, openEntry, interceptors: interceptors.remote });
  return await openInternalServer({
    ...platform,
    ...config,
    role,
    port: portOf[role](platform.env),
    openEntry,
    bindings: [
      ...bindings.map((binding) => ({ binding, interceptors: interceptors.remote })),
      // Asked every second while somebody looks; answered while the process drains.
      { binding: statusService, interceptors: [] },
      ...standardBindings([...bindings, statusService], { isReady: isReadyNow, models }, platform),
    ],
    isReady: isReadyNow,
    status: async () => ({ ...toStatusJson(await readStatus()), ...status?.() }),
    addRoutes: (app) => alone?.addRoutes(app, runCall),
    draining: drain.started,
  });
}

const noModels: NamedHealth = async () => new Map();

async function reachLocally(role: InternalRole, platform: Platform): Promise<Reached> {
  const { bindings, isReady } = await build[role](platform);
  const channel = createLocalChannel({ role, bindings, interceptors: platform.interceptors.local });
  return { channel, probes: channel, isRemote: false, isReady: async () => isReady() };
}
