import type { Span } from "../../../lib/tracing/span.js";
import { DecisionBatches } from "./decision-batches.js";
import { readAnswer } from "./redis-answer.js";
import { addHeld, type RedisCharge, type RedisHeld, type ScriptInput } from "./redis-charge.js";
import type { RedisConnection } from "./redis-connection.js";
import type { SlotDecision, SlotGroup } from "./slot-group.js";
import { slotOf } from "./slot-of.js";

export interface SlotsOptions {
  readonly redisKeyReservationsMax: number;
  readonly onExpired: (count: number) => void;
}

/** Decides and settles in the slots of a Redis Cluster, each by itself. */
export class ClusterSlots {
  readonly #connection: RedisConnection;
  readonly #batches: DecisionBatches;
  readonly #onExpired: (count: number) => void;

  constructor(connection: RedisConnection, options: SlotsOptions) {
    this.#connection = connection;
    this.#onExpired = options.onExpired;
    this.#batches = new DecisionBatches(connection, {
      reservationsMax: options.redisKeyReservationsMax,
      slotOf,
      onExpired: options.onExpired,
    });
  }

  async decide(
    group: SlotGroup,
    charge: Pick<RedisCharge, "mode" | "hold" | "trace">,
  ): Promise<SlotDecision> {
    const { nowMs, reply } = await this.#batches.ask({ ...charge, items: group.items });
    const answer = readAnswer(group.charged, reply);
    if (answer.kind === "known") throw new TypeError("a record was found where none is kept");
    return { group, nowMs, decision: answer.decision };
  }

  async peek(group: SlotGroup, trace?: Span): Promise<SlotDecision> {
    return await this.decide(group, { mode: "peek", trace });
  }

  /** How many of what was held were open until now, and Redis's time of the last; `keptArgument` is settle.lua's. */
  async settle(held: readonly RedisHeld[], keptArgument: number) {
    const settled = await Promise.all(
      bySlot(held).map((some) => this.#settleOne(some, keptArgument)),
    );
    const items = settled.reduce((sum, one) => sum + one.items, 0);
    return { items, nowMs: Math.max(...settled.map(({ nowMs }) => nowMs)) };
  }

  async #settleOne(held: readonly RedisHeld[], keptArgument: number) {
    const input: ScriptInput = { keys: [], arguments: [keptArgument] };
    for (const one of held) addHeld(input, one);
    const [nowMs, expired, items] = await this.#connection.run((redis) =>
      redis.settle(input.keys.length, ...input.keys, ...input.arguments),
    );
    this.#onExpired(expired);
    return { nowMs, items };
  }
}

function bySlot(held: readonly RedisHeld[]): readonly (readonly RedisHeld[])[] {
  const slots = new Map<number, RedisHeld[]>();
  for (const one of held) {
    const slot = slotOf(one.key);
    const known = slots.get(slot);
    if (known === undefined) slots.set(slot, [one]);
    else known.push(one);
  }
  return [...slots.values()];
}
