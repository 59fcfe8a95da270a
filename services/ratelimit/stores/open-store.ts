import { Cluster } from "ioredis";
import type { Clock } from "../../../lib/clock.js";
import type { Release } from "../../../lib/defer.js";
import type { Log } from "../../../lib/log.js";
import type { RatelimitConfig } from "../config.js";
import { MemoryStore } from "./memory-store.js";
import { openRedisClient } from "./redis-client.js";
import { RedisClusterStore } from "./redis-cluster-store.js";
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
  const client = openRedisClient(config);
  if (client === undefined) {
    const store = new MemoryStore(config, deps.clock);
    deps.defer(() => store.close());
    return store;
  }
  const connection = new RedisConnection(client, config, deps);
  deps.defer(() => connection.close());
  if (client instanceof Cluster) return new RedisClusterStore(connection, config, deps);
  return new RedisStore(connection, config);
}
