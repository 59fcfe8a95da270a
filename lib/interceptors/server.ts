import type { Registry } from "prom-client";
import type { Clock } from "../clock.js";
import type { Drain } from "../drain.js";
import type { Log } from "../log.js";
import { type AccessLogOptions, logAccess } from "./access-log.js";
import type { Interceptor } from "./interceptor.js";
import { measureCalls } from "./metrics.js";
import { observeCalls } from "./observe.js";

export interface Interceptors {
  /** For calls that come in over a wire. */
  readonly remote: readonly Interceptor[];
  /** For calls between roles of one process: the call that came in is already logged and counted for drain. */
  readonly local: readonly Interceptor[];
}

/** The order of the interceptors, once. First is outermost, so a call refused by drain is still traced and logged. */
export function createInterceptors(platform: {
  readonly config: AccessLogOptions;
  readonly clock: Clock;
  readonly drain: Drain;
  readonly log: Log;
  readonly registry: Registry;
}): Interceptors {
  const { config, clock, drain, log, registry } = platform;
  const measure = measureCalls(registry, clock);
  return {
    remote: [observeCalls(clock, [measure, logAccess(log, config)]), drain.intercept],
    local: [observeCalls(clock, [measure])],
  };
}
