import { deepEqual, equal, ok } from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "../../../lib/fake-clock.js";
import { seeded } from "../../../test/support/random.js";
import type { Quota } from "../algorithms/quota.js";
import type { AppliedRule, Charge, Decision, ItemState } from "./charge.js";
import { FaultyStore } from "./faulty-store.js";
import { MemoryStore } from "./memory-store.js";
import { OverLimitCache, refusalMsMax, refusalsMax } from "./over-limit-cache.js";
import { OverLimitStore } from "./over-limit-store.js";
import { runStoreSuite, suiteReservationsMax } from "./store-suite.js";
import { holding, release, ruleOf, slow, spending } from "./suite-charges.js";

const bounds = { keysMax: 10_000, reservationsMax: suiteReservationsMax };
/** One unit in 100 ms. */
const brisk: Quota = { algorithm: "token_bucket", perWindow: 10, windowMs: 1_000, burst: 10 };

describe("a store whose refusals are remembered", () => {
  runStoreSuite(async () => {
    const { clock, store } = remembering();
    return { store, wait: (ms) => clock.moveTo(clock.nowMs() + ms) };
  });

  test("refuses again without asking, with durations that shrink", async () => {
    const { clock, shared, store } = remembering();
    const rule = ruleOf(brisk);
    await clock.moveTo(1_000);
    await store.spend(spending(10, rule));
    const refused = await store.spend(spending(2, rule));
    deepEqual(durations(refused), [[0, 1_000, 200]]);
    await clock.moveTo(1_050.5);
    deepEqual(durations(await store.spend(spending(2, rule))), [[0, 950, 150]]);
    deepEqual(durations(await store.peek(spending(3, rule))), [[0, 950, 150]]);
    deepEqual([shared.asked.spend, shared.asked.peek, store.hits, store.keys], [2, 0, 2, 1]);
  });

  test("asks for less than what was refused, and as soon as there can be room", async () => {
    const { clock, shared, store } = remembering();
    const rule = ruleOf(brisk);
    await store.spend(spending(10, rule));
    await store.spend(spending(2, rule));
    await clock.moveTo(100);
    equal((await store.spend(spending(1, rule))).allowed, true);
    await clock.moveTo(300);
    equal((await store.spend(spending(2, rule))).allowed, true);
    deepEqual([shared.asked.spend, store.hits], [4, 0]);
  });

  test("one refused item refuses all, and the others are answered as if unspent", async () => {
    const { shared, store } = remembering();
    const [full, other] = [ruleOf(slow), ruleOf(slow)];
    await store.spend(spending(10, full));
    await store.spend(spending(5, other));
    await store.spend(spending(1, full));
    const charge = spending(1, other, full);
    const { allowed, states } = await store.spend(charge);
    deepEqual([allowed, shared.asked.spend], [false, 3]);
    deepEqual(
      states.map(({ item, remaining, retryAfterMs }) => [item, remaining, retryAfterMs]),
      [
        [charge.items[0], 10, 0],
        [charge.items[1], 0, 3_600_000],
      ],
    );
    deepEqual((await store.peek(charge)).states[0]?.remaining, 5);
  });

  test("asks again while a reservation could make room", async () => {
    const { shared, store } = remembering();
    const rule = ruleOf(slow);
    await store.spend(holding({ id: "a", amount: 1 }, rule));
    await store.spend(spending(9, rule));
    equal((await store.spend(spending(1, rule))).allowed, false);
    await release(store, "a");
    equal((await store.spend(spending(1, rule))).allowed, true);
    deepEqual([shared.asked.spend, store.hits], [4, 0]);
  });

  test("asks again when something was given back", async () => {
    const { store } = remembering();
    const rule = ruleOf(slow);
    for (const amount of [10, 1]) await store.spend(spending(amount, rule));
    equal(store.keys, 1);
    await store.giveBack(spending(1, rule).items);
    equal((await store.spend(spending(1, rule))).allowed, true);
  });

  test("asks for slots every time, and for what a store knows nothing about", async () => {
    const { store, shared } = remembering();
    const slot = ruleOf({ algorithm: "concurrency", slots: 1 });
    await store.spend(holding({ id: "a", amount: 1 }, slot));
    await store.spend(holding({ id: "b", amount: 1 }, slot));
    await release(store, "a");
    equal((await store.spend(holding({ id: "b", amount: 1 }, slot))).allowed, true);
    const unknown = new OverLimitStore(new MemoryStore(bounds, new FakeClock()), new FakeClock());
    const rule = ruleOf(slow);
    for (const amount of [10, 1, 1]) await unknown.spend(spending(amount, rule));
    deepEqual([unknown.keys, store.keys, store.hits, shared.asked.spend], [0, 0, 0, 3]);
  });

  test("what was decided without the shared counters is not remembered", async () => {
    const rule = ruleOf(slow);
    const { store: memory } = remembering();
    const degraded = new FaultyStore(memory);
    degraded.spend = async (charge) => ({ ...(await memory.spend(charge)), isDegraded: true });
    const store = new OverLimitStore(degraded, new FakeClock());
    await store.spend(spending(10, rule));
    equal((await store.spend(spending(1, rule))).allowed, false);
    equal(store.keys, 0);
  });

  test("the time that the answer took is not added to the refusal", async () => {
    const { clock, shared, store } = remembering();
    const rule = ruleOf(brisk);
    await store.spend(spending(10, rule));
    const slowShared = new FaultyStore(shared);
    const late = new OverLimitStore(slowShared, clock);
    slowShared.spend = async (charge) => {
      const decision = await shared.spend(charge);
      await clock.moveTo(clock.nowMs() + 60);
      return decision;
    };
    equal((await late.spend(spending(1, rule))).allowed, false);
    await clock.moveTo(100);
    equal((await late.spend(spending(1, rule))).allowed, true);
  });
});

test("with and without remembering, the same is allowed and refused", async (t) => {
  const random = seeded(t);
  let hits = 0;
  for (let round = 0; round < 60; round += 1) hits += await compareOnce(random);
  ok(hits > 500, `${hits} refusals were remembered`);
});

describe("what is remembered of refusals", () => {
  test("is believed for a while only, however long the refusal lasts", () => {
    const cache = new OverLimitCache();
    const state = refusal("key", 3_600_000);
    cache.remember(state, 0);
    const retryAfterMs = cache.find(state.item, refusalMsMax - 1)?.retryAfterMs;
    equal(retryAfterMs, 3_600_000 - refusalMsMax + 1);
    equal(cache.find(state.item, refusalMsMax), undefined);
    equal(cache.size, 0);
  });

  test("is bounded: the oldest go first", () => {
    const cache = new OverLimitCache();
    for (let key = 0; key <= refusalsMax; key += 1) cache.remember(refusal(`${key}`, 5_000), 0);
    equal(cache.size, refusalsMax);
    deepEqual(
      [0, 1, refusalsMax].map((key) => cache.find(refusal(`${key}`, 1).item, 1) !== undefined),
      [false, true, true],
    );
  });
});

/** Says which refusals only time ends, as a store does that knows what is reserved. */
class FirmStore extends FaultyStore {
  readonly #clock: FakeClock;
  readonly #open = new Map<
    string,
    { readonly keys: readonly string[]; readonly dueAtMs: number }
  >();

  constructor(store: MemoryStore, clock: FakeClock) {
    super(store);
    this.#clock = clock;
  }

  override async peek(charge: Charge): Promise<Decision> {
    return this.#firmly(await super.peek(charge));
  }

  override async spend(charge: Charge): Promise<Decision> {
    const decision = this.#firmly(await super.spend(charge));
    const { items, reservation } = charge;
    if (decision.allowed && reservation !== undefined && this.#isNew(reservation.id)) {
      const keys = items.filter(({ isHeld }) => isHeld).map(({ rule }) => rule.key);
      // Rounded up: it must not be taken for ended before it is.
      const dueAtMs = Math.ceil(this.#clock.nowMs()) + reservation.ttlMs;
      this.#open.set(reservation.id, { keys, dueAtMs });
    }
    return decision;
  }

  override async settle(settlements: Parameters<FaultyStore["settle"]>[0]): Promise<void> {
    await super.settle(settlements);
    for (const { id } of settlements) this.#open.delete(id);
  }

  #isNew(id: string): boolean {
    const known = this.#open.get(id);
    return known === undefined || known.dueAtMs <= this.#clock.nowMs();
  }

  #firmly({ allowed, states, isDegraded }: Decision): Decision {
    const nowMs = this.#clock.nowMs();
    const held = new Set(
      [...this.#open.values()].filter(({ dueAtMs }) => dueAtMs > nowMs).flatMap(({ keys }) => keys),
    );
    const firm = states.map((state) => {
      const isFirm = state.retryAfterMs !== 0 && !held.has(state.item.rule.key);
      return isFirm ? { ...state, isFirm } : state;
    });
    return { allowed, states: firm, isDegraded };
  }
}

function remembering() {
  const clock = new FakeClock();
  const shared = new FirmStore(new MemoryStore(bounds, clock), clock);
  return { clock, shared, store: new OverLimitStore(shared, clock) };
}

function durations({ states }: Decision) {
  return states.map(({ remaining, resetMs, retryAfterMs }) => [remaining, resetMs, retryAfterMs]);
}

function refusal(key: string, retryAfterMs: number): ItemState {
  const item = { rule: { ...ruleOf(slow), key }, amount: 1, isHeld: false };
  return { item, remaining: 0, resetMs: retryAfterMs, retryAfterMs, isFirm: true };
}

type Random = ReturnType<typeof seeded>;

/** Asks both stores the same, in random order; how many answers were remembered. */
async function compareOnce(random: Random): Promise<number> {
  const clock = new FakeClock();
  const roomy = { keysMax: 1_000, reservationsMax: 1_000 };
  const plain = new MemoryStore(roomy, clock);
  const store = new OverLimitStore(new FirmStore(new MemoryStore(roomy, clock), clock), clock);
  const stores = [plain, store] as const;
  const rules = Array.from({ length: 3 }, () => ruleOf(anyQuota(random)));
  const open: Charge[] = [];
  for (let step = 0; step < 300; step += 1) {
    const kind = random.int(10);
    if (kind < 2) await clock.moveTo(clock.nowMs() + (random.int(400) + random.int(8) / 8));
    else if (kind < 3) await settleAny(random, open, stores);
    else if (kind < 4) await giveBackAny(random, rules[0], stores);
    else await askBoth(anyCharge(random, { rules, step, open }), { random, stores, open });
  }
  return store.hits;
}

type Stores = readonly [MemoryStore, OverLimitStore];

async function askBoth(
  charge: Charge,
  {
    random,
    stores: [plain, store],
    open,
  }: { readonly random: Random; readonly stores: Stores; readonly open: Charge[] },
): Promise<void> {
  const act = random.int(4) === 0 ? "peek" : "spend";
  const [expected, actual] = [await plain[act](charge), await store[act](charge)];
  equal(actual.allowed, expected.allowed, JSON.stringify({ act, charge }));
  if (act === "spend" && actual.allowed && charge.reservation) open.push(charge);
}

/** Of the first rule nothing is ever held, unless it counts slots. */
async function giveBackAny(
  random: Random,
  rule: AppliedRule | undefined,
  stores: Stores,
): Promise<void> {
  if (rule === undefined || rule.quota.algorithm === "concurrency") return;
  const { items } = spending(1 + random.int(3), rule);
  for (const store of stores) await store.giveBack(items);
}

function anyQuota(random: Random): Quota {
  const units = 1 + random.int(12);
  const windowMs = 1 + random.int(3_000);
  switch (random.int(4)) {
    case 0:
      return { algorithm: "token_bucket", perWindow: 1 + random.int(20), windowMs, burst: units };
    case 1:
      return { algorithm: "concurrency", slots: units };
    case 2:
      return { algorithm: "sliding_window", units, windowMs };
    default:
      return { algorithm: "fixed_window", units, windowMs };
  }
}

/** Something new, or a reservation that is open once more. */
function anyCharge(
  random: Random,
  {
    rules,
    step,
    open,
  }: {
    readonly rules: readonly AppliedRule[];
    readonly step: number;
    readonly open: readonly Charge[];
  },
): Charge {
  const again = open.filter(({ items }) => items.every(({ isHeld }) => isHeld));
  if (again.length > 0 && random.int(8) === 0) return random.pick(again);
  const isHolding = random.int(3) === 0;
  const items = rules
    .map((rule, index) => ({
      rule,
      amount: random.int(5),
      isHeld: rule.quota.algorithm === "concurrency" || (isHolding && index > 0),
    }))
    .filter(() => random.int(2) === 0);
  if (!items.some(({ isHeld }) => isHeld)) return { items };
  return { items, reservation: { id: `${step}`, ttlMs: 1 + random.int(2_000) } };
}

async function settleAny(random: Random, open: Charge[], stores: Stores): Promise<void> {
  if (open.length === 0) return;
  const [charge] = open.splice(random.int(open.length), 1);
  const id = charge?.reservation?.id ?? "";
  const keptMax = random.pick([0, 1, 3, Number.POSITIVE_INFINITY]);
  for (const store of stores) await store.settle([{ id, keptMax }]);
}
