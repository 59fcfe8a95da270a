// npm run bench:limiter: what a decision of the store in memory costs, and what a key takes.

import { setImmediate } from "node:timers/promises";
import { systemClock } from "../../lib/clock.js";
import type { Quota } from "../../services/ratelimit/algorithms/quota.js";
import type { Charge } from "../../services/ratelimit/stores/charge.js";
import { MemoryStore } from "../../services/ratelimit/stores/memory-store.js";
import { describeCpu } from "./cpu.js";
import { shown, toMarkdown } from "./table.js";

const rounds = 9;
const decisionsOfRound = 100_000;
const manyKeys = 1_000_000;

const hourMs = 3_600_000;

/** Large enough that nothing is refused, slow enough that no counter becomes idle. */
const quotas: Readonly<Record<string, Quota>> = {
  "token bucket": {
    algorithm: "token_bucket",
    perWindow: 1,
    windowMs: hourMs,
    burst: 1_000_000,
  },
  "sliding window": { algorithm: "sliding_window", units: 1_000_000, windowMs: hourMs },
  "fixed window": { algorithm: "fixed_window", units: 1_000_000, windowMs: hourMs },
};

console.log(`${describeCpu()}; Node ${process.version}; medians of ${rounds} rounds\n`);
const rows: string[][] = [];
for (const [name, quota] of Object.entries(quotas)) rows.push(await rowOf(name, quota));
rows.push(await slotsRow());
const header = ["algorithm", "1 limit us", "3 limits us", "held 3 us", "1M keys us", "bytes a key"];
console.log(toMarkdown(header, rows));

async function rowOf(name: string, quota: Quota): Promise<string[]> {
  const cells = [];
  for (const limits of [1, 3])
    cells.push(await measure(1_000, (key) => charge(quota, key, limits)));
  cells.push(await measureHeld((key) => charge(quota, key, 3)));
  const many = await measureMany((key) => charge(quota, key, 1));
  return [name, ...cells.map((us) => shown(us, 2)), ...many];
}

async function slotsRow(): Promise<string[]> {
  const quota: Quota = { algorithm: "concurrency", slots: 1_000 };
  const [one, three] = [
    await measureHeld((key) => charge(quota, key, 1)),
    await measureHeld((key) => charge(quota, key, 3)),
  ];
  return ["concurrency, taken and given back", shown(one, 2), "", shown(three, 2), "", ""];
}

/** As a policy builds it: key strings that no other object has. */
function charge(quota: Quota, key: number, limits: number): Charge {
  const items = Array.from({ length: limits }, (_, index) => {
    const name = `rule-${index}`;
    const address = `10.${(key >> 16) & 255}.${(key >> 8) & 255}.${key & 255}`;
    const rule = {
      name,
      key: `${name}:requests:${address}`,
      quota,
      onStoreFailure: "allow",
    } as const;
    return { rule, amount: 1, isHeld: false };
  });
  return { items };
}

/** Microseconds of a decision, the building of the charge left out. */
async function measure(keys: number, build: (key: number) => Charge): Promise<number> {
  const store = new MemoryStore({ keysMax: 3 * keys, reservationsMax: 1 }, systemClock);
  const charges = Array.from({ length: keys }, (_, key) => build(key));
  const spend = (index: number) => store.spend(charges[index % keys] ?? { items: [] });
  return await medianUs(spend);
}

/** Microseconds of reserving and giving back. */
async function measureHeld(build: (key: number) => Charge): Promise<number> {
  const store = new MemoryStore({ keysMax: 10_000, reservationsMax: 10_000 }, systemClock);
  const items = Array.from({ length: 1_000 }, (_, key) =>
    build(key).items.map((item) => ({ ...item, isHeld: true })),
  );
  const us = await medianUs(async (index) => {
    const id = `reservation-${index}`;
    await store.spend({ items: items[index % 1_000] ?? [], reservation: { id, ttlMs: 60_000 } });
    await store.settle([{ id, keptMax: 0 }]);
  });
  store.close();
  return us;
}

/** Of a million keys: microseconds of a decision, its charge included, and what a key takes. */
async function measureMany(build: (key: number) => Charge): Promise<string[]> {
  const store = new MemoryStore({ keysMax: manyKeys, reservationsMax: 1 }, systemClock);
  const before = heapBytes();
  for (let key = 0; key < manyKeys; key += 1) await store.spend(build(key));
  const bytes = (heapBytes() - before) / manyKeys;
  let key = 0;
  const us = await medianUs(() => {
    // Steps by a prime, so that keys come in no order that a cache would like.
    key = (key + 611_953) % manyKeys;
    return store.spend(build(key));
  });
  if (store.keys !== manyKeys) throw new Error(`${store.keys} keys`);
  return [shown(us, 2), shown(bytes, 0)];
}

async function medianUs(act: (index: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  let index = 0;
  // The first round warms up.
  for (let round = 0; round <= rounds; round += 1) {
    const startedAt = performance.now();
    for (let count = 0; count < decisionsOfRound; count += 1) {
      await act(index);
      index += 1;
    }
    if (round > 0) times.push(((performance.now() - startedAt) * 1_000) / decisionsOfRound);
    await setImmediate();
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}

function heapBytes(): number {
  if (gc === undefined) throw new Error("run with --expose-gc");
  gc();
  return process.memoryUsage().heapUsed;
}
