import {
  type Charge,
  type Decision,
  type Item,
  type ItemState,
  nothingToDecide,
  type Settlement,
} from "./charge.js";
import { DecisionBatches } from "./decision-batches.js";
import {
  firstDecisionOf,
  heldOf,
  type OpenedRecord,
  readAnswer,
  readRecord,
  toRecordText,
} from "./redis-answer.js";
import {
  addHeld,
  type RedisCharge,
  type ScriptInput,
  spentForGood,
  spentUnder,
} from "./redis-charge.js";
import type { RedisConnection } from "./redis-connection.js";
import { plainId, recordKeyOf } from "./redis-keys.js";
import { countSettled, type LimitStore, noReservations, type ReservationTotals } from "./store.js";

export interface RedisStoreOptions {
  readonly redisKeyReservationsMax: number;
  /** Is told Redis's time of each decision and settlement, in their order. */
  readonly onDecided?: (nowMs: number) => void;
}

/** Counters that all processes share, by the clock of one Redis, which decides each charge in one call. */
export class RedisStore implements LimitStore {
  readonly #connection: RedisConnection;
  readonly #batches: DecisionBatches;
  readonly #onDecided: ((nowMs: number) => void) | undefined;
  readonly #totals: ReservationTotals = noReservations();

  constructor(connection: RedisConnection, options: RedisStoreOptions) {
    this.#connection = connection;
    this.#onDecided = options.onDecided;
    this.#batches = new DecisionBatches(connection, {
      reservationsMax: options.redisKeyReservationsMax,
      slotOf: () => 0,
      onExpired: (count) => {
        this.#totals.expired += count;
      },
    });
  }

  async peek({ items, trace }: Charge): Promise<Decision> {
    if (items.length === 0) return nothingToDecide;
    return await this.#decide(items, { mode: "peek", items: spentForGood(items), trace });
  }

  async spend(charge: Charge): Promise<Decision> {
    const { items, reservation, trace } = charge;
    if (items.length === 0) return nothingToDecide;
    if (reservation === undefined) {
      return await this.#decide(items, { mode: "spend", items: spentForGood(items), trace });
    }
    const { id, ttlMs } = reservation;
    const record = { key: recordKeyOf(id), text: toRecordText(charge) };
    return await this.#decide(items, {
      mode: "hold",
      items: spentUnder(items, { ttlMs, finalMs: 0 }),
      hold: { id: plainId(id), ttlMs, record },
      trace,
    });
  }

  async giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    if (items.length === 0) return [];
    const restored = await this.#decide(items, { mode: "restore", items: spentForGood(items) });
    return restored.states;
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

  /** `charge` has the items as Redis sees them. */
  async #decide(items: readonly Item[], charge: RedisCharge): Promise<Decision> {
    const { nowMs, reply } = await this.#batches.ask(charge);
    this.#onDecided?.(nowMs);
    const answer = readAnswer(items, reply);
    if (answer.kind === "known") return firstDecisionOf(requireRecord(answer.record));
    if (charge.mode === "hold" && answer.decision.allowed) this.#totals.opened += 1;
    return answer.decision;
  }

  /** A reservation says itself what it was charged to, so that any process can settle it; this takes two steps. */
  async #settleOne({ id, keptMax }: Settlement): Promise<void> {
    this.#connection.enter();
    try {
      const key = recordKeyOf(id);
      const text = await this.#connection.run((redis) => redis.get(key));
      if (text === null) return;
      const input: ScriptInput = { keys: [], arguments: [keptArgument(keptMax)] };
      for (const held of heldOf(id, requireRecord(text))) addHeld(input, held);
      input.keys.push(key);
      const [nowMs, expired, , records] = await this.#connection.run((redis) =>
        redis.settle(input.keys.length, ...input.keys, ...input.arguments),
      );
      this.#onDecided?.(nowMs);
      this.#totals.expired += expired;
      countSettled(this.#totals, keptMax, records);
    } finally {
      this.#connection.leave();
    }
  }
}

/** As settle.lua says it. */
export function keptArgument(keptMax: number): number {
  return keptMax === Number.POSITIVE_INFINITY ? -1 : keptMax;
}

function requireRecord(record: string): OpenedRecord {
  const read = readRecord(record);
  if (read === undefined) throw new SyntaxError("a reservation has no charge");
  return read;
}
