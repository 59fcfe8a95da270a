import { Registry } from "prom-client";
import { type Clock, systemClock } from "../lib/clock.js";
import { readConfig } from "../lib/config.js";
import { Deferred, type Release } from "../lib/defer.js";
import { Drain } from "../lib/drain.js";
import { createInterceptors, type Interceptors } from "../lib/interceptors/server.js";
import { createLog, type Log } from "../lib/log.js";
import { type ProcessConfig, processSchema } from "../lib/process-config.js";

/** All that a role may touch outside itself. */
export interface Platform {
  readonly env: NodeJS.ProcessEnv;
  readonly config: ProcessConfig;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  readonly drain: Drain;
  readonly interceptors: Interceptors;
  readonly defer: (release: Release) => void;
  /** Ends the process's work in order: refuse, finish what was accepted, close. */
  readonly close: () => Promise<void>;
}

export function createPlatform(env: NodeJS.ProcessEnv, version: string): Platform {
  const config = readConfig(processSchema, env);
  const clock = systemClock;
  const log = createLog(config.logLevel);
  const registry = new Registry();
  const drain = new Drain();
  const deferred = new Deferred();
  return {
    env,
    config,
    version,
    clock,
    log,
    registry,
    drain,
    interceptors: createInterceptors({ clock, drain, log, registry }),
    defer: deferred.defer,
    async close() {
      await drain.begin(clock, config.shutdownMsMax);
      await deferred.releaseAll();
    },
  };
}
