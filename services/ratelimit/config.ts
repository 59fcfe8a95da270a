import { type ConfigOf, flag, integer, list, secret, text } from "../../lib/config.js";

export const ratelimitSchema = {
  port: {
    env: "RATELIMIT_PORT",
    doc: "port of this service when it has a process of its own",
    parse: integer({ min: 0, max: 65_535 }),
    fallback: 50_053,
  },
  policyFile: {
    env: "RATELIMIT_POLICY_FILE",
    doc: "file of limits, or a folder of them; unset: policies/default.yaml of this package",
    parse: text(),
    fallback: undefined,
  },
  keysMax: {
    env: "RATELIMIT_KEYS_MAX",
    doc: "counters held in memory, at which new callers are refused as overload",
    parse: integer({ min: 1, max: 10_000_000 }),
    fallback: 1_000_000,
  },
  reservationsMax: {
    env: "RATELIMIT_RESERVATIONS_MAX",
    doc: "open reservations held in memory, at which new ones are refused as overload",
    parse: integer({ min: 1, max: 10_000_000 }),
    fallback: 100_000,
  },
  redisUrl: {
    env: "REDIS_URL",
    doc: "where counters live when there is more than one of this service; unset: in memory",
    parse: secret(),
    fallback: undefined,
  },
  redisCluster: {
    env: "REDIS_CLUSTER",
    doc: "instead of REDIS_URL, some nodes of a Redis Cluster: host:port, separated by commas",
    parse: list(),
    fallback: undefined,
  },
  redisSentinels: {
    env: "REDIS_SENTINELS",
    doc: "instead of REDIS_URL, the Sentinels that know the primary: host:port, separated by commas",
    parse: list(),
    fallback: undefined,
  },
  redisSentinelName: {
    env: "REDIS_SENTINEL_NAME",
    doc: "what the Sentinels call the primary",
    parse: text(),
    fallback: "mymaster",
  },
  redisSentinelPassword: {
    env: "REDIS_SENTINEL_PASSWORD",
    doc: "of the Sentinels themselves",
    parse: secret(),
    fallback: undefined,
  },
  redisUsername: {
    env: "REDIS_USERNAME",
    doc: "where it is not in REDIS_URL",
    parse: text(),
    fallback: undefined,
  },
  redisPassword: {
    env: "REDIS_PASSWORD",
    doc: "where it is not in REDIS_URL",
    parse: secret(),
    fallback: undefined,
  },
  redisHasTls: {
    env: "REDIS_TLS",
    doc: "whether Redis is reached by TLS; rediss:// in REDIS_URL says so too",
    parse: flag(),
    fallback: false,
  },
  redisTlsCaFile: {
    env: "REDIS_TLS_CA_FILE",
    doc: "certificates that may sign Redis's, as PEM; unset: those that Node trusts",
    parse: text(),
    fallback: undefined,
  },
  redisTlsCertFile: {
    env: "REDIS_TLS_CERT_FILE",
    doc: "certificate that is shown to Redis, as PEM, where it asks for one",
    parse: text(),
    fallback: undefined,
  },
  redisTlsKeyFile: {
    env: "REDIS_TLS_KEY_FILE",
    doc: "key of that certificate, as PEM",
    parse: text(),
    fallback: undefined,
  },
  redisTimeoutMs: {
    env: "RATELIMIT_REDIS_TIMEOUT_MS",
    doc: "milliseconds that one command may wait for Redis, before the call fails as unavailable",
    parse: integer({ min: 1, max: 60_000 }),
    fallback: 250,
  },
  redisCallsMax: {
    env: "RATELIMIT_REDIS_CALLS_MAX",
    doc: "calls that wait for Redis at once, at which more are refused as overload",
    parse: integer({ min: 1, max: 1_000_000 }),
    fallback: 10_000,
  },
  decisionBudgetMs: {
    env: "RATELIMIT_DECISION_BUDGET_MS",
    doc: "milliseconds that a decision may wait for Redis, before each rule decides as it says for that case",
    parse: integer({ min: 1, max: 60_000 }),
    fallback: 20,
  },
  replicas: {
    env: "RATELIMIT_REPLICAS",
    doc: "processes that share the limits in Redis: while they cannot, each has this part of a quota",
    parse: integer({ min: 1, max: 1_000 }),
    fallback: 1,
  },
  redisKeyReservationsMax: {
    env: "RATELIMIT_REDIS_KEY_RESERVATIONS_MAX",
    doc: "open reservations of one counter in Redis, at which new ones are refused as overload",
    parse: integer({ min: 1, max: 100_000 }),
    fallback: 10_000,
  },
} as const;

export type RatelimitConfig = ConfigOf<typeof ratelimitSchema>;
