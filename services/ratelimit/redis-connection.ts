import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis, ReplyError } from "ioredis";
import type { Clock } from "../../lib/clock.js";
import type { Secret } from "../../lib/config.js";
import { MeshError } from "../../lib/errors.js";
import type { Log } from "../../lib/log.js";
import { packageRoot } from "../../lib/package-root.js";

const retryAfterMs = 1_000;
const reconnectMsMax = 1_000;

export interface RedisBounds {
  readonly redisTimeoutMs: number;
  readonly redisCallsMax: number;
}

/** What a call may ask of Redis. Each script states its keys, arguments and reply. */
export interface RedisCommands {
  decide(keyCount: number, ...keysAndArguments: (string | number)[]): Promise<DecideReply>;
  settle(keyCount: number, ...keysAndArguments: (string | number)[]): Promise<number>;
  mget(keys: readonly string[]): Promise<(string | null)[]>;
}

/** Status, expired reservations, then debts; see decide.lua. */
export type DecideReply = readonly ["decided" | "full" | "known", number, ...(number | string)[]];

/** One connection that fails fast: no call waits for a Redis that is away, and none is sent twice. */
export class RedisConnection {
  readonly #redis: Redis;
  readonly #bounds: RedisBounds;
  readonly #opened: Promise<void>;
  #calls = 0;

  constructor(
    url: Secret,
    bounds: RedisBounds,
    deps: { readonly clock: Clock; readonly log: Pick<Log, "info" | "warn"> },
  ) {
    this.#bounds = bounds;
    this.#redis = new Redis(url.reveal(), optionsOf(bounds));
    this.#redis.defineCommand("decide", { lua: readScript("decide.lua") });
    this.#redis.defineCommand("settle", { lua: readScript("settle.lua") });
    logChanges(this.#redis, deps.log);
    this.#opened = firstOutcome(this.#redis, bounds.redisTimeoutMs, deps.clock);
  }

  /** Runs one call, bounded in number and time; whatever Redis does to it is `unavailable`. */
  async run<T>(call: (commands: RedisCommands) => Promise<T>): Promise<T> {
    if (this.#calls >= this.#bounds.redisCallsMax) {
      throw new MeshError("overloaded", "too many calls wait for Redis", { retryAfterMs });
    }
    this.#calls += 1;
    try {
      await this.#opened;
      // The two scripts were defined in the constructor; mget takes a list.
      return await call(this.#redis as unknown as RedisCommands);
    } catch (cause) {
      if (isBug(cause)) throw cause;
      throw new MeshError("unavailable", "the limits cannot be reached", { cause, retryAfterMs });
    } finally {
      this.#calls -= 1;
    }
  }

  isReady(): boolean {
    return this.#redis.status === "ready";
  }

  /** Ends at once: whoever closes has drained, so nothing is waiting. */
  close(): void {
    this.#redis.disconnect();
  }
}

function optionsOf({ redisTimeoutMs }: RedisBounds) {
  return {
    commandTimeout: redisTimeoutMs,
    connectTimeout: Math.max(redisTimeoutMs, 1_000),
    // A Redis that takes bytes and answers nothing: away with the connection, and with what waits on it.
    socketTimeout: redisTimeoutMs * 4,
    // A call that failed here must not be spent later: nothing waits for a connection, nothing is sent again.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // After a failover this may still be the connection to the old primary.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
    retryStrategy: (attempt: number) => Math.min(2 ** attempt * 10, reconnectMsMax),
  };
}

/** A script with the arithmetic it shares with the others in front. */
function readScript(name: string): string {
  const read = (file: string) =>
    readFileSync(join(packageRoot, "services/ratelimit", file), "utf8");
  return `${read("gcra.lua")}\n${read(name)}`;
}

/** Resolves when the first attempt to connect has ended: until then a call waits, later it fails at once. */
function firstOutcome(redis: Redis, waitMsMax: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.at(clock.nowMs() + waitMsMax, resolve);
    for (const event of ["ready", "error", "end"] as const) {
      redis.once(event, () => {
        cancel();
        resolve();
      });
    }
  });
}

/** One line when Redis goes and one when it is back, however often connecting fails in between. */
function logChanges(redis: Redis, log: Pick<Log, "info" | "warn">): void {
  let isAway = false;
  let cause = "the connection was closed";
  redis.on("error", ({ message }) => {
    cause = message;
  });
  // Not "close", which also comes when this process closes.
  redis.on("reconnecting", () => {
    if (!isAway) log.warn({ cause }, "redis is away");
    isAway = true;
  });
  redis.on("ready", () => {
    if (isAway) log.info("redis is back");
    isAway = false;
  });
}

/** Redis understood the call and rejects it, or this code does not understand the answer. */
function isBug(thrown: unknown): boolean {
  if (thrown instanceof ReplyError) return /^(ERR|WRONGTYPE) /.test((thrown as Error).message);
  return thrown instanceof SyntaxError || thrown instanceof TypeError;
}
