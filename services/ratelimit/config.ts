import { type ConfigOf, flag, integer, secret } from "../../lib/config.js";

export const ratelimitSchema = {
  port: {
    env: "RATELIMIT_PORT",
    doc: "port of this service when it has a process of its own",
    parse: integer({ min: 0, max: 65_535 }),
    fallback: 50_053,
  },
  requestsPerSecond: {
    env: "RATELIMIT_REQUESTS_PER_SECOND",
    doc: "requests of one IP address, lasting",
    parse: integer({ min: 1, max: 1_000_000 }),
    fallback: 50,
  },
  requestsBurst: {
    env: "RATELIMIT_REQUESTS_BURST",
    doc: "requests of one IP address, at once",
    parse: integer({ min: 1, max: 1_000_000 }),
    fallback: 100,
  },
  tokensPerMinute: {
    env: "RATELIMIT_TOKENS_PER_MINUTE",
    doc: "tokens of one IP address, lasting and at once",
    parse: integer({ min: 1, max: 1_000_000_000 }),
    fallback: 1_000_000,
  },
  isLoopbackExempt: {
    env: "RATELIMIT_EXEMPT_LOOPBACK",
    doc: "whether callers on this machine are not limited, so that a first load test works",
    parse: flag(),
    fallback: true,
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
  redisKeyReservationsMax: {
    env: "RATELIMIT_REDIS_KEY_RESERVATIONS_MAX",
    doc: "open reservations of one counter in Redis, at which new ones are refused as overload",
    parse: integer({ min: 1, max: 100_000 }),
    fallback: 10_000,
  },
} as const;

export type RatelimitConfig = ConfigOf<typeof ratelimitSchema>;
