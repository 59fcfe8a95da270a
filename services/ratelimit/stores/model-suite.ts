// Random calls against a store and a plain reference, for every algorithm at once.

import { equal } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { type Quota, unitsMaxOf } from "../algorithms/quota.js";
import type { AppliedRule, Charge, Decision, Item } from "./charge.js";
import { StoreModel } from "./store-model.js";
import { ruleOf, type StoreUnderTest } from "./suite-charges.js";

/** A store that tells when it decided. */
export interface ModelledStore extends StoreUnderTest {
  /**
   * Takes out when the calls since it was asked last were decided, in whole milliseconds since 1970: one for each call
   * that decided something, in the order in which the calls were made. It is asked when all of them have been answered.
   */
  readonly takeDecidedAtMs: () => readonly number[];
}

export interface ModelBounds {
  readonly rounds: number;
  readonly steps: number;
  /** The longest wait of one step. */
  readonly pauseMsMax: number;
}

type Random = ReturnType<typeof seeded>;

const idsMax = 12;
const windowsMs = [16, 64, 100, 333, 640, 1_000];

/** At most `idsMax` reservations are open at once. */
export function runModelSuite(open: () => Promise<ModelledStore>, bounds: ModelBounds): void {
  test("whatever is asked, in whatever order, the answer is that of a plain reference", async (t) => {
    const random = seeded(t);
    for (let round = 0; round < bounds.rounds; round += 1) {
      const player = new Player(await open(), random, bounds);
      for (let step = 0; step < bounds.steps; step += 1) {
        await player.step().catch((error: unknown) => explain(t, error, { round, step }));
      }
    }
  });
}

function explain(t: TestContext, error: unknown, at: { round: number; step: number }): never {
  t.diagnostic(`round ${at.round}, step ${at.step}`);
  throw error;
}

/** Plays one random step after another, and tells the model. */
class Player {
  readonly #tested: ModelledStore;
  readonly #random: Random;
  readonly #bounds: ModelBounds;
  readonly #model = new StoreModel();
  readonly #rules: readonly AppliedRule[];
  /** Of which nothing is ever held, so that what was spent of them can be given back. */
  readonly #finalRules: readonly AppliedRule[];
  readonly #ids = Array.from({ length: idsMax }, () => randomUUID() as string);

  constructor(tested: ModelledStore, random: Random, bounds: ModelBounds) {
    this.#tested = tested;
    this.#random = random;
    this.#bounds = bounds;
    this.#finalRules = quotasOf(random)
      .filter(({ algorithm }) => algorithm !== "concurrency")
      .map((quota) => ruleOf(quota));
    this.#rules = [...this.#finalRules, ...quotasOf(random).map((quota) => ruleOf(quota))];
  }

  async step(): Promise<void> {
    const { int } = this.#random;
    const act = int(10);
    if (act < 3) await this.#pause();
    else if (act < 5) await this.#settle();
    else if (act < 6) await this.#spendPatiently();
    else if (act < 7) await this.#giveBack();
    else await this.#askAtOnce(1 + int(4));
  }

  async #pause(): Promise<void> {
    const { int, pick } = this.#random;
    const windowMs = pick(windowsMs);
    const pausesMs = [1, 2, int(windowMs / 16), int(windowMs), windowMs, 2 * int(windowMs)];
    await this.#tested.wait(Math.min(pick(pausesMs), this.#bounds.pauseMsMax));
  }

  /** Of any id: open, settled, over or never used. */
  async #settle(): Promise<void> {
    const { int, pick } = this.#random;
    const openIds = this.#model.openIds();
    const id = openIds.length > 0 && int(4) > 0 ? pick(openIds) : pick(this.#ids);
    const settlement = { id, keptMax: pick([0, Number.POSITIVE_INFINITY, 1, int(20)]) };
    await this.#tested.store.settle([settlement]);
    // A store may find that there is nothing to settle, without looking at the time.
    for (const nowMs of this.#tested.takeDecidedAtMs()) this.#model.settled(settlement, nowMs);
  }

  async #giveBack(): Promise<void> {
    const { int, pick } = this.#random;
    const items = this.#finalRules.map((rule) => {
      return { rule, amount: pick([1, int(20)]), isHeld: false };
    });
    const states = await this.#tested.store.giveBack(items);
    for (const nowMs of this.#decidedAtMs(1)) this.#model.gaveBack(items, states, nowMs);
  }

  /** Several calls, none of which waits for another. */
  async #askAtOnce(calls: number): Promise<void> {
    const { store } = this.#tested;
    const asked = Array.from({ length: calls }, () => {
      const charge = this.#anyCharge();
      if (this.#random.int(5) > 0) return { charge, isPeek: false, answer: store.spend(charge) };
      return { charge, isPeek: true, answer: store.peek(charge) };
    });
    const decisions = await Promise.all(asked.map(({ answer }) => answer));
    const timesMs = this.#decidedAtMs(calls);
    asked.forEach(({ charge, isPeek }, index) => {
      const [decision, nowMs] = [decisions[index], timesMs[index]];
      if (decision === undefined || nowMs === undefined) throw new Error("no answer");
      if (isPeek) this.#model.peeked(charge, decision, nowMs);
      else this.#model.spent(charge, decision, nowMs);
    });
  }

  /** Refused, it waits as long as it is told, which must be enough. */
  async #spendPatiently(): Promise<void> {
    const charge = this.#anyCharge();
    const waitMs = waitMsOf(await this.#spend(charge));
    if (waitMs === undefined || waitMs > this.#bounds.pauseMsMax) return;
    if (waitMs > 1 && this.#random.int(2) === 0) {
      await this.#tested.wait(waitMs - 1);
      // Something may have come back meanwhile.
      if ((await this.#spend(charge)).allowed) return;
      await this.#tested.wait(1);
    } else {
      await this.#tested.wait(waitMs);
    }
    equal((await this.#spend(charge)).allowed, true, "waiting as long as told was not enough");
  }

  async #spend(charge: Charge): Promise<Decision> {
    const decision = await this.#tested.store.spend(charge);
    for (const nowMs of this.#decidedAtMs(1)) this.#model.spent(charge, decision, nowMs);
    return decision;
  }

  #decidedAtMs(calls: number): readonly number[] {
    const timesMs = this.#tested.takeDecidedAtMs();
    equal(timesMs.length, calls, "a time for each decision");
    return timesMs;
  }

  #anyCharge(): Charge {
    const { int, pick } = this.#random;
    const rules = this.#rules.filter(() => int(3) === 0);
    const isReserved = int(2) === 0;
    const items = rules.map((rule) => this.#anyItem(rule, isReserved));
    if (!items.some(({ isHeld }) => isHeld)) return { items };
    return { items, reservation: { id: pick(this.#ids), ttlMs: 1 + int(pick([20, 200, 2_000])) } };
  }

  /** Mostly a small part of the quota, sometimes 0, all of it, or too much. */
  #anyItem(rule: AppliedRule, isReserved: boolean): Item {
    const { int, pick } = this.#random;
    const unitsMax = unitsMaxOf(rule.quota);
    const amount = pick([0, 1, 1, 1, 1 + int(unitsMax), 1 + int(unitsMax / 4), unitsMax + int(2)]);
    const isSlot = rule.quota.algorithm === "concurrency";
    const canBeHeld = isReserved && !this.#finalRules.includes(rule);
    return { rule, amount, isHeld: isSlot || (canBeHeld && int(3) > 0) };
  }
}

/** Undefined if nothing was refused, or if no time was told that is enough. */
function waitMsOf({ allowed, states }: Decision): number | undefined {
  if (allowed) return undefined;
  let waitMs = 0;
  for (const { item, retryAfterMs } of states) {
    if (retryAfterMs === undefined) return undefined;
    const isSlot = item.rule.quota.algorithm === "concurrency";
    if (isSlot && retryAfterMs > 0) return undefined;
    waitMs = Math.max(waitMs, retryAfterMs);
  }
  return waitMs;
}

/** One of each algorithm. An empty bucket is full again in three windows at most. */
function quotasOf({ int, pick }: Random): readonly Quota[] {
  const units = () => 1 + int(pick([3, 20, 200]));
  const burst = units();
  const perWindow = Math.ceil(burst / 3) + int(2 * burst);
  return [
    { algorithm: "token_bucket", perWindow, windowMs: pick(windowsMs), burst },
    { algorithm: "sliding_window", units: units(), windowMs: pick(windowsMs) },
    { algorithm: "fixed_window", units: units(), windowMs: pick(windowsMs) },
    { algorithm: "concurrency", slots: 1 + int(5) },
  ];
}
