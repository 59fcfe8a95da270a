import type { FastifyInstance } from "fastify";
import type { Registry } from "prom-client";
import type { Clock } from "../../../lib/clock.js";
import { readConfig } from "../../../lib/config.js";
import type { Release } from "../../../lib/defer.js";
import type { RunHttpCall } from "../../../lib/http-calls.js";
import type { Log } from "../../../lib/log.js";
import type { Binding } from "../../../lib/rpc/call.js";
import { watchFiles } from "../files/watched-files.js";
import type { Counters } from "./charge-group.js";
import { type EnvoyRatelimitConfig, envoyRatelimitSchema } from "./config.js";
import { addEnvoyRoutes } from "./http-routes.js";
import { createEnvoyMetrics } from "./metrics.js";
import { type EnvoyRules, readRules } from "./read-rules.js";
import { createEnvoyRatelimit, createShouldRateLimit } from "./service.js";

interface Platform {
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly defer: (release: Release) => void;
  readonly log: Pick<Log, "info" | "warn">;
}

/** Envoy's rate limit service over the configured files, which take over again whenever they change. */
export async function openEnvoy(
  counters: Counters,
  platform: Platform,
): Promise<{
  readonly bindings: readonly Binding[];
  readonly addRoutes: (app: FastifyInstance, runCall: RunHttpCall) => Promise<void>;
}> {
  const { env, registry, clock } = platform;
  const config = readConfig(envoyRatelimitSchema, env);
  const count = createEnvoyMetrics(registry, config.seriesMax);
  const files = await openRules(config, platform);
  count.observe(files);
  const rules = (): EnvoyRules => files.current;
  const shouldRateLimit = createShouldRateLimit({ rules, counters, config, count, clock });
  return {
    bindings: [createEnvoyRatelimit(shouldRateLimit)],
    addRoutes: (app, runCall) => addEnvoyRoutes(app, { shouldRateLimit, rules, runCall }),
  };
}

async function openRules({ path, mergeDomains }: EnvoyRatelimitConfig, platform: Platform) {
  if (path === undefined) return { current: new Map(), reloads: { accepted: 0, refused: 0 } };
  return await watchFiles({ path, parse: (files) => readRules(files, { mergeDomains }) }, platform);
}
