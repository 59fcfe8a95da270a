import type { Clock } from "../../lib/clock.js";
import type { Release } from "../../lib/defer.js";
import type { Log } from "../../lib/log.js";
import type { RatelimitConfig } from "./config.js";
import { MemoryStore } from "./memory-store.js";
import { RedisConnection } from "./redis-connection.js";
import { RedisStore } from "./redis-store.js";
import type { LimitStore } from "./store.js";

/** Redis where one is configured, else the memory of this process. */
export function openStore(
  config: RatelimitConfig,
  deps: {
    readonly clock: Clock;
    readonly defer: (release: Release) => void;
    readonly log: Pick<Log, "info" | "warn">;
  },
): LimitStore {
  if (config.redisUrl !== undefined) {
    const connection = new RedisConnection(config.redisUrl, config, deps);
    deps.defer(() => connection.close());
    return new RedisStore(connection, config);
  }
  const store = new MemoryStore(config, deps.clock);
  deps.defer(() => store.close());
  return store;
}
