import { systemClock } from "../../../lib/clock.js";
import { readConfig } from "../../../lib/config.js";
import type { Release } from "../../../lib/defer.js";
import { type RatelimitConfig, ratelimitSchema } from "../config.js";
import { openRedisClient } from "./redis-client.js";
import { RedisClusterStore } from "./redis-cluster-store.js";
import { RedisConnection } from "./redis-connection.js";
import { RedisStore } from "./redis-store.js";

/** What a test says of its store; the rest is as by default. */
export type StoreSettings = Partial<Omit<RatelimitConfig, "redisUrl">> & {
  readonly redisUrl?: string;
};

/** A busy machine is no outage. */
const patient = { redisTimeoutMs: 2_000 };

/** For tests: a store in a real Redis, what it logs, and when it decides. */
export function openRedisStore(settings: StoreSettings, defer: (release: Release) => void) {
  const { redisUrl, ...others } = settings;
  const env = redisUrl === undefined ? {} : { REDIS_URL: redisUrl };
  const config = { ...readConfig(ratelimitSchema, env), ...patient, ...others };
  const client = openRedisClient(config);
  if (client === undefined) throw new Error("no Redis is configured");
  const lines: string[] = [];
  const write = (...line: unknown[]) => void lines.push(String(line.at(-1)));
  const deps = { clock: systemClock, log: { info: write, warn: write } };
  const connection = new RedisConnection(client, config, deps);
  defer(() => connection.close());
  const decidedAtMs: number[] = [];
  const options = { ...config, onDecided: (nowMs: number) => void decidedAtMs.push(nowMs) };
  const store = client.isCluster
    ? new RedisClusterStore(connection, options, deps)
    : new RedisStore(connection, options);
  return { store, connection, lines, takeDecidedAtMs: () => decidedAtMs.splice(0) };
}
