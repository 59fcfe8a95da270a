import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, type Redis, ReplyError } from "ioredis";
import type { Clock } from "../../../lib/clock.js";
import { MeshError, toMeshError } from "../../../lib/errors.js";
import type { Log } from "../../../lib/log.js";
import { packageRoot } from "../../../lib/package-root.js";
import { beginRedisSpans, hidden, type RedisAddress, type ShownCall } from "./redis-spans.js";

const retryAfterMs = 1_000;

export interface RedisBounds {
  readonly redisTimeoutMs: number;
  readonly redisCallsMax: number;
}

type ScriptArguments = readonly (string | number)[];

/** What a call may ask of Redis. Each script states its keys, arguments and reply. */
export interface RedisCommands {
  decide(keyCount: number, ...input: ScriptArguments): Promise<DecideReply>;
  settle(keyCount: number, ...input: ScriptArguments): Promise<SettleReply>;
  claim(keyCount: number, ...input: ScriptArguments): Promise<ClaimReply>;
  get(key: string): Promise<string | null>;
  set(key: string, value: string, unit: "PX", ms: number): Promise<unknown>;
  del(key: string): Promise<number>;
}

/** Words of one charge after those of another. */
export type DecideReply = readonly [nowMs: number, expired: number, ...words: ReplyWord[]];
/** An error concerns its charge only. */
export type ReplyWord = number | string | Error;
export type SettleReply = readonly [nowMs: number, expired: number, items: number, records: number];
export type ClaimReply = readonly [nowMs: number, record: string | null];

/** A client that fails fast: no call waits for a Redis that is away, and none is sent twice. */
export class RedisConnection {
  readonly #client: Redis | Cluster;
  readonly #bounds: RedisBounds;
  readonly #address: RedisAddress;
  #opening: Promise<void> | undefined;
  #calls = 0;

  constructor(
    client: Redis | Cluster,
    bounds: RedisBounds,
    deps: { readonly clock: Clock; readonly log: Pick<Log, "info" | "warn"> },
  ) {
    this.#bounds = bounds;
    this.#client = client;
    this.#address = addressOf(client);
    const counters = readScript("counters.lua");
    client.defineCommand("decide", { lua: `${counters}\n${readScript("decide.lua")}` });
    client.defineCommand("settle", { lua: `${counters}\n${readScript("settle.lua")}` });
    client.defineCommand("claim", { lua: readScript("claim.lua") });
    logChanges(client, deps.log);
    this.#opening = firstOutcome(client, bounds.redisTimeoutMs, deps.clock).then(() => {
      this.#opening = undefined;
    });
  }

  /** Counts a call that is about to wait, unless too many do. */
  enter(): void {
    if (this.#calls >= this.#bounds.redisCallsMax) {
      throw new MeshError("overloaded", "too many calls wait for Redis", { retryAfterMs });
    }
    this.#calls += 1;
  }

  /** Ends what `enter` began. */
  leave(): void {
    this.#calls -= 1;
  }

  /**
   * Runs one call, bounded in time; whatever Redis does to it is `unavailable`. Who waits for it has a span of it each.
   */
  async run<T>(
    call: (commands: RedisCommands) => Promise<T>,
    shown: ShownCall = hidden,
  ): Promise<T> {
    const spans = beginRedisSpans(shown, this.#address);
    try {
      if (this.#opening !== undefined) await this.#opening;
      // The scripts were defined in the constructor; the others are a part of what the client has.
      const answer = await call(this.#client as unknown as RedisCommands);
      for (const span of spans) span.end();
      return answer;
    } catch (cause) {
      const fault = toFault(cause);
      for (const span of spans) span.end(toMeshError(fault));
      throw fault;
    }
  }

  isReady(): boolean {
    return this.#client.status === "ready";
  }

  /** Ends at once: whoever closes has drained, so nothing is waiting. */
  close(): void {
    this.#client.disconnect();
  }
}

/** Where it is, as far as there is one place; never with its password. */
function addressOf(client: Redis | Cluster): RedisAddress {
  if (client instanceof Cluster) return {};
  const { host, port, path, sentinels } = client.options;
  if (sentinels) return {};
  return path === undefined ? { host, port } : { host: path };
}

/** What went wrong in Redis or on the way there, in the domain's words; a bug stays what it is. */
export function toFault(cause: unknown): unknown {
  if (cause instanceof MeshError || isBug(cause)) return cause;
  return new MeshError("unavailable", "the limits cannot be reached", { cause, retryAfterMs });
}

function readScript(name: string): string {
  return readFileSync(join(packageRoot, "services/ratelimit/stores", name), "utf8");
}

/** Resolves when the first attempt to connect has ended: until then a call waits, later it fails at once. */
function firstOutcome(client: Redis | Cluster, waitMsMax: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      resolve();
    };
    const cancel = clock.at(clock.nowMs() + waitMsMax, end);
    for (const event of ["error", "end"]) client.once(event, end);
    client.once("ready", () => {
      if (client instanceof Cluster) void Promise.allSettled(client.nodes().map(ready)).then(end);
      else end();
    });
  });
}

function ready(node: Redis): Promise<void> {
  if (node.status === "ready") return Promise.resolve();
  return new Promise((resolve) => {
    for (const event of ["ready", "error", "end"]) node.once(event, () => resolve());
  });
}

/** One line when Redis goes and one when it is back, however often connecting fails in between. */
function logChanges(client: Redis | Cluster, log: Pick<Log, "info" | "warn">): void {
  let isAway = false;
  let cause = "the connection was closed";
  client.on("error", (error: Error) => {
    cause = error.message;
  });
  // Not "close", which also comes when this process closes.
  client.on("reconnecting", () => {
    if (!isAway) log.warn({ cause }, "redis is away");
    isAway = true;
  });
  client.on("ready", () => {
    if (isAway) log.info("redis is back");
    isAway = false;
  });
}

/** Redis understood the call and rejects it, or this code does not understand the answer. */
function isBug(thrown: unknown): boolean {
  if (thrown instanceof ReplyError) return /^(ERR|WRONGTYPE) /.test((thrown as Error).message);
  return thrown instanceof SyntaxError || thrown instanceof TypeError;
}
