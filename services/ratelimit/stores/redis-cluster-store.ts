import { randomUUID } from "node:crypto";
import { type Clock, sleep } from "../../../lib/clock.js";
import { MeshError } from "../../../lib/errors.js";
import type { Span } from "../../../lib/tracing/span.js";
import {
  type Charge,
  type Decision,
  type Item,
  type ItemState,
  nothingToDecide,
  type ReservationTerms,
  type Settlement,
} from "./charge.js";
import { ClusterSlots } from "./cluster-slots.js";
import {
  firstDecisionOf,
  heldOf,
  type OpenedRecord,
  readRecord,
  toRecord,
} from "./redis-answer.js";
import { spentForGood, spentUnder } from "./redis-charge.js";
import type { RedisConnection } from "./redis-connection.js";
import { plainId, recordKeyOf } from "./redis-keys.js";
import { keptArgument, type RedisStoreOptions } from "./redis-store.js";
import { groupBySlot, mergeDecisions, type SlotDecision } from "./slot-group.js";
import { countSettled, type LimitStore, noReservations, type ReservationTotals } from "./store.js";
import { spendInSlots } from "./two-step.js";

/** From one look at an id that another call is opening to the next. */
const openingMs = 10;
/** A record lives so much longer than it must. */
const spareMs = 10;
/**
 * Counters in a Redis Cluster, where a script sees one slot. A charge whose counters are in one slot is decided there in
 * one call, any other in two steps. The record of a reservation is where its id says.
 */
export class RedisClusterStore implements LimitStore {
  readonly #connection: RedisConnection;
  readonly #slots: ClusterSlots;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onDecided: ((nowMs: number) => void) | undefined;
  readonly #totals: ReservationTotals = noReservations();

  constructor(
    connection: RedisConnection,
    options: RedisStoreOptions & { readonly redisTimeoutMs: number },
    deps: { readonly clock: Clock },
  ) {
    this.#connection = connection;
    this.#clock = deps.clock;
    this.#timeoutMs = options.redisTimeoutMs;
    this.#onDecided = options.onDecided;
    this.#slots = new ClusterSlots(connection, {
      redisKeyReservationsMax: options.redisKeyReservationsMax,
      onExpired: (count) => {
        this.#totals.expired += count;
      },
    });
  }

  async peek({ items, trace }: Charge): Promise<Decision> {
    if (items.length === 0) return nothingToDecide;
    const groups = groupBySlot(spentForGood(items), items);
    return this.#merge(await Promise.all(groups.map((group) => this.#slots.peek(group, trace))));
  }

  async spend(charge: Charge): Promise<Decision> {
    const { items, reservation, trace } = charge;
    if (items.length === 0) return nothingToDecide;
    if (reservation !== undefined) return await this.#open(charge, reservation);
    const [group, ...others] = groupBySlot(spentForGood(items), items);
    if (group === undefined || others.length > 0) {
      return this.#merge(await this.#spendUnder(randomUUID(), charge));
    }
    return this.#merge([await this.#slots.decide(group, { mode: "spend", trace })]);
  }

  /** In each slot by itself: there is no room to run out of. */
  async giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    if (items.length === 0) return [];
    const groups = groupBySlot(spentForGood(items), items);
    const restored = await Promise.all(
      groups.map((group) => this.#slots.decide(group, { mode: "restore" })),
    );
    return this.#merge(restored).states;
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    await Promise.all(settlements.map((settlement) => this.#settleOne(settlement)));
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

  /** Claims the id, spends under it, and keeps what was spent where any process finds it that settles. */
  async #open(charge: Charge, { id }: ReservationTerms): Promise<Decision> {
    const known = await this.#claim(id, charge.trace);
    if (known !== undefined) return firstDecisionOf(known);
    try {
      const decisions = await this.#spendUnder(plainId(id), charge);
      const decision = this.#merge(decisions);
      if (decision.allowed) await this.#keep(id, charge, decisions);
      else await this.#forget(id);
      return decision;
    } catch (error) {
      // Else the claim ends by itself, and until then the id is refused.
      await this.#forget(id).catch(() => undefined);
      throw error;
    }
  }

  /** What the id has been given, if it is open; waits while another call is opening it. */
  async #claim(id: string, trace: Span | undefined): Promise<OpenedRecord | undefined> {
    const giveUpAtMs = this.#clock.nowMs() + this.#timeoutMs;
    for (;;) {
      const [nowMs, text] = await this.#connection.run(
        (redis) => redis.claim(1, recordKeyOf(id), this.#provisionalMs()),
        { traces: tracesOf(trace), script: "claim" },
      );
      if (text === null) return undefined;
      const record = readRecord(text);
      if (record !== undefined) {
        this.#onDecided?.(nowMs);
        return record;
      }
      if (this.#clock.nowMs() > giveUpAtMs) {
        const message = "another call is opening this reservation";
        throw new MeshError("unavailable", message, { retryAfterMs: 1_000 });
      }
      await sleep(this.#clock, openingMs);
    }
  }

  /** In one slot at once, where nothing but what is held has to come back. */
  async #spendUnder(id: string, charge: Charge): Promise<readonly SlotDecision[]> {
    const { items, reservation, trace } = charge;
    const ttlMs = reservation?.ttlMs ?? 0;
    const [group, ...others] = groupBySlot(spentUnder(items, { ttlMs, finalMs: 0 }), items);
    if (group !== undefined && others.length === 0) {
      return [await this.#slots.decide(group, { mode: "hold", hold: { id, ttlMs }, trace })];
    }
    const finalMs = this.#provisionalMs();
    const groups = groupBySlot(spentUnder(items, { ttlMs, finalMs }), items);
    return await spendInSlots(this.#slots, { id, ttlMs, groups, trace });
  }

  async #keep(
    id: string,
    { reservation, trace }: Charge,
    decisions: readonly SlotDecision[],
  ): Promise<void> {
    const ttlMs = reservation?.ttlMs ?? 0;
    const dueAtMs = Math.min(...decisions.map(({ nowMs }) => nowMs)) + ttlMs;
    const record = toRecord(dueAtMs, toOpened(decisions));
    await this.#connection.run(
      (redis) => redis.set(recordKeyOf(id), record, "PX", ttlMs + spareMs),
      { traces: tracesOf(trace), command: "SET" },
    );
    this.#totals.opened += 1;
  }

  async #forget(id: string): Promise<void> {
    await this.#connection.run((redis) => redis.del(recordKeyOf(id)));
  }

  /** The record goes last, so that a settlement that failed can be repeated. */
  async #settleOne({ id, keptMax }: Settlement): Promise<void> {
    const text = await this.#connection.run((redis) => redis.get(recordKeyOf(id)));
    const record = text === null ? undefined : readRecord(text);
    if (record === undefined) return;
    const held = heldOf(id, record);
    const ended = await this.#slots.settle(held, keptArgument(keptMax));
    const [nowMs, , , records] = await this.#connection.run((redis) =>
      redis.settle(1, recordKeyOf(id), keptArgument(keptMax)),
    );
    this.#onDecided?.(held.length > 0 ? ended.nowMs : nowMs);
    if (held.length > 0 && ended.items === 0) return;
    countSettled(this.#totals, keptMax, records);
  }

  #merge(decisions: readonly SlotDecision[]): Decision {
    this.#onDecided?.(Math.max(...decisions.map(({ nowMs }) => nowMs)));
    return mergeDecisions(decisions);
  }

  /** Long enough for each step of a decision to take as long as a command may. */
  #provisionalMs(): number {
    return 4 * this.#timeoutMs;
  }
}

function tracesOf(trace: Span | undefined): readonly Span[] {
  return trace === undefined ? [] : [trace];
}

function toOpened(decisions: readonly SlotDecision[]): OpenedRecord {
  const items: OpenedRecord["items"][number][] = [];
  const recorded: OpenedRecord["recorded"][number][] = [];
  for (const { group, nowMs, decision } of decisions) {
    decision.states.forEach(({ item, remaining, resetMs }, index) => {
      const place = group.places[index] ?? 0;
      items[place] = item;
      recorded[place] = { spentAtMs: nowMs, remaining, resetMs };
    });
  }
  return { items, recorded };
}
