// What leases can cost a limit: several processes with leases of one counter, against a list of what they admitted.

import { equal, ok } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sleep, systemClock } from "../../../lib/clock.js";
import { Deferred } from "../../../lib/defer.js";
import { FakeClock } from "../../../lib/fake-clock.js";
import { seeded } from "../../../test/support/random.js";
import type { Quota } from "../algorithms/quota.js";
import type { AppliedRule, Charge, Item } from "./charge.js";
import { leaseMs } from "./lease.js";
import { LeasingStore } from "./leasing-store.js";
import { MemoryStore } from "./memory-store.js";
import { openRedisStore } from "./open-redis-store.js";
import { RedisServer, redisMissing } from "./redis-server.js";
import type { LimitStore } from "./store.js";
import { StoreAround } from "./store-around.js";
import { ruleOf, spending } from "./suite-charges.js";

const processes = 3;
const lease = 7;
/** The most that leases keep from a limit, or add to it. */
const slack = processes * lease;
const windowMs = 2_000;
const quotas: readonly Quota[] = [
  { algorithm: "fixed_window", units: 60, windowMs },
  { algorithm: "sliding_window", units: 60, windowMs },
  { algorithm: "token_bucket", perWindow: 40, windowMs, burst: 60 },
];

interface Outcome {
  readonly atMs: number;
  readonly amount: number;
}

for (const quota of quotas) {
  test(`of a ${quota.algorithm}: a lease for each process too much or too little, at most`, async (t) => {
    const random = seeded(t);
    let [decisions, refusals, most] = [0, 0, 0];
    for (let round = 0; round < 40; round += 1) {
      const run = await hammer(quota, random);
      for (const refused of run.refused) requireFull(quota, run.admitted, refused);
      for (const last of run.admitted) most = Math.max(most, excess(quota, run.admitted, last));
      decisions += run.decisions;
      refusals += run.refused.length;
    }
    t.diagnostic(`${decisions} decisions of leases, ${refusals} refusals, ${most} units too many`);
    ok(most <= slack, `${most} units too many`);
    ok(decisions > 1_000 && refusals > 1_000);
  });
}

/** Random load of several processes, some of it at the same time, together with a limit that has no leases. */
async function hammer(quota: Quota, random: ReturnType<typeof seeded>) {
  const clock = new FakeClock();
  await clock.moveTo(random.int(windowMs));
  const shared = new MemoryStore({ keysMax: 10, reservationsMax: 10 }, clock);
  const stores = Array.from({ length: processes }, () => {
    return new LeasingStore(new LateStore(shared, random), clock);
  });
  const rule: AppliedRule = { ...ruleOf(quota), lease };
  const exact = ruleOf({ algorithm: "fixed_window", units: 400, windowMs: 86_400_000 });
  const [admitted, refused]: [Outcome[], Outcome[]] = [[], []];
  let exactlyAdmitted = 0;
  for (let step = 0; step < 150; step += 1) {
    await clock.moveTo(clock.nowMs() + random.pick([0, 1, 20, 150, 700]));
    const atMs = clock.nowMs();
    const call = async (): Promise<void> => {
      const amount = random.pick([1, 1, 1, 2, 5]);
      const rules = random.int(4) === 0 ? [rule, exact] : [rule];
      const { allowed, states } = await random.pick(stores).spend(spending(amount, ...rules));
      equal(states.length, rules.length);
      const isRefused = states[0]?.retryAfterMs !== 0;
      if (allowed) admitted.push({ atMs, amount });
      else if (isRefused) refused.push({ atMs, amount });
      if (allowed) exactlyAdmitted += amount * (rules.length - 1);
    };
    await Promise.all(Array.from({ length: 1 + random.int(12) }, call));
  }
  ok(exactlyAdmitted <= 400, `${exactlyAdmitted} of a limit without leases`);
  const decisions = stores.reduce((sum, store) => sum + store.decisions, 0);
  for (const store of stores) await store.close();
  equal(
    stores.reduce((sum, store) => sum + store.units + store.unitsLost, 0),
    0,
  );
  return { admitted, refused, decisions };
}

/** Answers after some turns of the event loop, as a store that is elsewhere. */
class LateStore extends StoreAround {
  readonly #random: ReturnType<typeof seeded>;

  constructor(store: LimitStore, random: ReturnType<typeof seeded>) {
    super(store);
    this.#random = random;
  }

  override async spend(charge: Charge) {
    await this.#turns();
    const decision = await this.inner.spend(charge);
    await this.#turns();
    return decision;
  }

  override async giveBack(items: readonly Item[]) {
    await this.#turns();
    return await this.inner.giveBack(items);
  }

  async #turns(): Promise<void> {
    for (let turn = this.#random.int(3); turn > 0; turn -= 1) await new Promise(setImmediate);
  }
}

/** Units over the quota in the fullest window that ends with `last`. */
function excess(quota: Quota, admitted: readonly Outcome[], last: Outcome): number {
  if (quota.algorithm === "token_bucket") {
    const rate = quota.perWindow / quota.windowMs;
    const over = (first: Outcome) =>
      sum(admitted, first.atMs, last.atMs) - quota.burst - (last.atMs - first.atMs) * rate;
    return Math.max(...admitted.filter(({ atMs }) => atMs <= last.atMs).map(over));
  }
  if (quota.algorithm === "concurrency") throw new Error("slots have no leases");
  return sum(admitted, windowStart(quota, last.atMs), last.atMs) - quota.units;
}

/** A refusal is right if as much more as leases can keep would not have fitted. */
function requireFull(quota: Quota, admitted: readonly Outcome[], { atMs, amount }: Outcome): void {
  if (quota.algorithm === "concurrency") throw new Error("slots have no leases");
  const missing = amount + slack;
  if (quota.algorithm === "token_bucket") {
    ok(levelOf(quota, admitted, atMs) + missing > quota.burst, `refused at ${atMs}`);
    return;
  }
  // A sliding window counts 1/64 of it too long, and units of a lease from when it began.
  const longerMs = quota.algorithm === "sliding_window" ? quota.windowMs / 64 + leaseMs : 0;
  const used = sum(admitted, windowStart(quota, atMs) - longerMs, atMs);
  ok(used + missing > quota.units, `refused at ${atMs} after ${used}`);
}

/** What would be in a bucket of its own, filled by what was admitted. */
function levelOf(
  { perWindow, windowMs }: Extract<Quota, { algorithm: "token_bucket" }>,
  admitted: readonly Outcome[],
  nowMs: number,
): number {
  let [level, filledAtMs] = [0, 0];
  for (const { atMs, amount } of [...admitted, { atMs: nowMs, amount: 0 }]) {
    if (atMs > nowMs) break;
    level = Math.max(0, level - ((atMs - filledAtMs) * perWindow) / windowMs) + amount;
    filledAtMs = atMs;
  }
  return level;
}

function windowStart(
  { algorithm, windowMs }: Exclude<Quota, { algorithm: "concurrency" }>,
  atMs: number,
): number {
  return algorithm === "fixed_window" ? atMs - (atMs % windowMs) : atMs - windowMs + 1;
}

function sum(admitted: readonly Outcome[], fromMs: number, toMs: number): number {
  return admitted.reduce((units, { atMs, amount }) => {
    return atMs >= fromMs && atMs <= toMs ? units + amount : units;
  }, 0);
}

describe("leases in Redis", { skip: redisMissing, timeout: 60_000 }, () => {
  const server = new RedisServer();
  const deferred = new Deferred();
  before(() => server.start());
  after(async () => {
    await deferred.releaseAll();
    await server.remove();
  });

  test("of four processes that ask at once add nothing, and keep no more than a lease each", async () => {
    const units = 2_000;
    const rule: AppliedRule = {
      ...ruleOf({ algorithm: "fixed_window", units, windowMs: 31_536_000_000 }),
      lease: 50,
    };
    const stores = Array.from({ length: 4 }, () => {
      const { store } = openRedisStore({ redisUrl: server.url }, deferred.defer);
      return new LeasingStore(store, systemClock);
    });
    const admitted = await Promise.all(stores.map((store) => spendUntilRefused(store, rule)));
    const total = admitted.reduce((all, one) => all + one, 0);
    ok(total <= units && total >= units - 4 * 50, `${total} admitted`);
    const decisions = stores.reduce((all, store) => all + store.decisions, 0);
    ok(decisions > units / 2, `${decisions} decisions without asking`);
    await Promise.all(stores.map((store) => store.close()));
    const [last] = stores;
    equal(await spendUntilRefused(last as LeasingStore, rule), units - total);
  });
});

/** Eight callers; how many units they got. */
async function spendUntilRefused(store: LimitStore, rule: AppliedRule): Promise<number> {
  let units = 0;
  const call = async () => {
    while ((await store.spend(spending(1, rule))).allowed) {
      units += 1;
      if (units % 100 === 0) await sleep(systemClock, 1);
    }
  };
  await Promise.all(Array.from({ length: 8 }, call));
  return units;
}
