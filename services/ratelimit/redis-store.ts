import { MeshError } from "../../lib/errors.js";
import { type AppliedRule, type Charge, type Decision, decide } from "./decision.js";
import type { RedisCommands, RedisConnection } from "./redis-connection.js";
import { type LimitStore, noReservations, type ReservationTotals } from "./store.js";

/**
 * Every key has this hash tag, so in a Redis Cluster all are on one shard: a decision is atomic over several rules,
 * which may be any of the caller's, its key's and everyone's.
 */
const prefix = "{arrowmesh:ratelimit}";

/** Counters that all processes share, by Redis's clock. */
export class RedisStore implements LimitStore {
  readonly #connection: RedisConnection;
  readonly #reservationsMax: number;
  readonly #totals: ReservationTotals = noReservations();

  constructor(connection: RedisConnection, bounds: { readonly redisKeyReservationsMax: number }) {
    this.#connection = connection;
    this.#reservationsMax = bounds.redisKeyReservationsMax;
  }

  async peek(charge: Charge): Promise<Decision> {
    return await this.#decide("peek", charge);
  }

  async take(charge: Charge): Promise<Decision> {
    return await this.#decide("take", charge);
  }

  async reserve(id: string, ttlMs: number, charge: Charge): Promise<Decision> {
    return await this.#decide("reserve", charge, { id, ttlMs });
  }

  async commit(ids: readonly string[]): Promise<void> {
    this.#totals.committed += await this.#settle("commit", ids);
  }

  async release(ids: readonly string[]): Promise<void> {
    this.#totals.released += await this.#settle("release", ids);
  }

  isReady(): boolean {
    return this.#connection.isReady();
  }

  totals(): Readonly<ReservationTotals> {
    return this.#totals;
  }

  openReservations(): undefined {
    return undefined;
  }

  async #decide(
    mode: "peek" | "take" | "reserve",
    charge: Charge,
    reservation?: { readonly id: string; readonly ttlMs: number },
  ): Promise<Decision> {
    if (charge.rules.length === 0) return { allowed: true, states: [] };
    const keys = charge.rules.flatMap(keysOf);
    if (reservation !== undefined) keys.push(recordKey(reservation.id));
    const [status, expired, ...rest] = await this.#connection.run((redis) =>
      redis.decide(
        keys.length,
        ...keys,
        mode,
        charge.amount,
        this.#reservationsMax,
        reservation?.id ?? "",
        reservation?.ttlMs ?? 0,
        reservation === undefined ? "" : JSON.stringify(charge),
        ...charge.rules.flatMap(bucketArguments),
      ),
    );
    this.#totals.expired += expired;
    if (status === "known") return recorded(String(rest[0])).decision;
    if (status === "full") {
      throw new MeshError("overloaded", "too many reservations at once", { retryAfterMs: 1_000 });
    }
    const decision = decide(charge, rest.map(Number));
    if (reservation !== undefined && decision.allowed) this.#totals.opened += 1;
    return decision;
  }

  /** How many of `ids` were open. A reservation says itself what it was charged to, so settling takes two steps. */
  async #settle(mode: "commit" | "release", ids: readonly string[]): Promise<number> {
    if (ids.length === 0) return 0;
    return await this.#connection.run(async (redis) => {
      const records = await redis.mget(ids.map(recordKey));
      const settled = await Promise.all(
        ids.map((id, index) => settleOne(redis, { mode, id, record: records[index] ?? undefined })),
      );
      return settled.reduce((sum, count) => sum + count, 0);
    });
  }
}

async function settleOne(
  redis: RedisCommands,
  {
    mode,
    id,
    record,
  }: { readonly mode: string; readonly id: string; readonly record: string | undefined },
): Promise<number> {
  if (record === undefined) return 0;
  const { rules, amount } = recorded(record).charge;
  const keys = [...rules.flatMap(keysOf), recordKey(id)];
  return await redis.settle(
    keys.length,
    ...keys,
    mode,
    amount,
    id,
    ...rules.flatMap(bucketArguments),
  );
}

/** What decide.lua kept of a reservation: the debts it found, and the charge as it was given. */
function recorded(record: string): { readonly charge: Charge; readonly decision: Decision } {
  const [debts = "", json = ""] = record.split("\n");
  // Written by `#decide` above, from a Charge.
  const charge = JSON.parse(json) as Charge;
  return { charge, decision: decide(charge, debts.split(" ").map(Number)) };
}

/** The state of a rule's bucket, and what is reserved from it. */
function keysOf({ key }: AppliedRule): string[] {
  return [`${prefix}:bucket:${key}`, `${prefix}:open:${key}`];
}

function recordKey(id: string): string {
  return `${prefix}:reservation:${id}`;
}

function bucketArguments({ bucket }: AppliedRule): number[] {
  return [bucket.perWindow, bucket.windowMs, bucket.burst];
}
