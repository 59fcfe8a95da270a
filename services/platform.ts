import { setFlagsFromString } from "node:v8";
import { Registry } from "prom-client";
import { type Clock, systemClock } from "../lib/clock.js";
import { readConfig } from "../lib/config.js";
import { Deferred, type Release } from "../lib/defer.js";
import { Drain } from "../lib/drain.js";
import { createInterceptors, type Interceptors } from "../lib/interceptors/server.js";
import type { Log } from "../lib/log.js";
import { type OpenedLog, openLog } from "../lib/logging/open-log.js";
import { createRedactor, type Redact } from "../lib/logging/redactor.js";
import { Breakers } from "../lib/metrics/breakers.js";
import { observeProcess } from "../lib/metrics/process.js";
import { Upstreams } from "../lib/metrics/upstreams.js";
import { type ProcessConfig, processSchema } from "../lib/process-config.js";
import { startTracing } from "../lib/tracing/start-tracing.js";
import type { Tracing } from "../lib/tracing/tracing.js";

/** All that a role may touch outside itself. */
export interface Platform {
  readonly env: NodeJS.ProcessEnv;
  readonly config: ProcessConfig;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The same as a whole, for signals and the end of the process. */
  readonly openedLog: OpenedLog;
  /** Knows the secrets of the process. */
  readonly redact: Redact;
  readonly registry: Registry;
  /** Metrics of what answers outside this process, and of what stands before it. */
  readonly upstreams: Upstreams;
  readonly breakers: Breakers;
  readonly drain: Drain;
  readonly tracing: Tracing;
  readonly interceptors: Interceptors;
  readonly defer: (release: Release) => void;
  /** Ends the process's work in order: refuse, finish what was accepted, close. */
  readonly close: () => Promise<void>;
}

/**
 * Else V8 makes objects of a kind that once lived for long (a schema's results while the process began) among the old ones
 * from then on, where those of a request keep all they point to until the next full collection. See ARCHITECTURE.md.
 */
const allBeginYoung = "--no-allocation-site-pretenuring";

export async function createPlatform(
  env: NodeJS.ProcessEnv,
  { version, role }: { readonly version: string; readonly role: string },
): Promise<Platform> {
  setFlagsFromString(allBeginYoung);
  const config = readConfig(processSchema, env);
  const clock = systemClock;
  const redact = createRedactor(env);
  const openedLog = await openLog(config, { clock, redact, env });
  const { log } = openedLog;
  const registry = new Registry();
  observeProcess(registry, { version, role });
  const drain = new Drain();
  const deferred = new Deferred();
  const { defer } = deferred;
  const tracing = await startTracing({ env, version, clock, log, registry, defer });
  return {
    env,
    config,
    version,
    clock,
    log,
    openedLog,
    redact,
    registry,
    upstreams: new Upstreams(registry, clock),
    breakers: new Breakers(registry),
    drain,
    tracing,
    interceptors: createInterceptors({ config, clock, drain, log, registry }),
    defer,
    async close() {
      await drain.begin(clock, config.shutdownMsMax);
      await deferred.releaseAll();
    },
  };
}
