// npm run bench:limiter:redis: decisions a second of the store alone, with a real Redis on this machine, and what each
// costs this process and Redis.

import { Redis } from "ioredis";
import { Deferred } from "../../lib/defer.js";
import type { Quota } from "../../services/ratelimit/algorithms/quota.js";
import type { Charge } from "../../services/ratelimit/stores/charge.js";
import { openRedisStore } from "../../services/ratelimit/stores/open-redis-store.js";
import type { LimitStore } from "../../services/ratelimit/stores/store.js";
import { describeCpu } from "./cpu.js";
import { mean } from "./measure.js";
import { startRedis } from "./redis.js";
import { shown, toMarkdown } from "./table.js";

const keys = 1_000;
const rounds = 3;
const roundMs = 2_000;
const warmUpMs = 1_000;
const units = 1_000_000_000;

/** Large enough that nothing is refused. */
const quotas: Readonly<Record<string, Quota>> = {
  "token bucket": {
    algorithm: "token_bucket",
    perWindow: 1_000_000,
    windowMs: 1_000,
    burst: units,
  },
  "sliding window": { algorithm: "sliding_window", units, windowMs: 60_000 },
  "fixed window": { algorithm: "fixed_window", units, windowMs: 60_000 },
};

interface Measured {
  readonly perSecond: number;
  /** CPU time of a decision, in this process and in Redis. */
  readonly ownUs: number;
  readonly redisUs: number;
  readonly p99Ms: number;
}

const deferred = new Deferred();
try {
  const redis = await startRedis();
  deferred.defer(() => redis.stop());
  const { store } = openRedisStore({ redisUrl: redis.url }, deferred.defer);
  const client = new Redis(redis.url);
  deferred.defer(() => client.disconnect());
  const cpu = () => redisCpuMs(client);
  const rows: string[][] = [];
  for (const [name, quota] of Object.entries(quotas)) {
    for (const limits of [1, 3]) {
      const charges = Array.from({ length: keys }, (_, key) => chargeOf(quota, key, limits));
      for (const callers of [1, 16, 64]) {
        await load(store, charges, { callers, ms: warmUpMs });
        const all: Measured[] = [];
        for (let round = 0; round < rounds; round += 1)
          all.push(await measure(store, charges, callers, cpu));
        const of = (field: keyof Measured) => mean(all.map((one) => one[field]));
        rows.push([
          ...[
            name,
            String(limits),
            String(callers),
            shown(of("perSecond"), 0),
            shown(of("p99Ms"), 2),
          ],
          ...[shown(of("ownUs"), 1), shown(of("redisUs"), 1)],
        ]);
      }
    }
  }
  console.log(
    `${describeCpu()}; Node ${process.version}; means of ${rounds} rounds of ${roundMs} ms\n`,
  );
  const header = [
    "algorithm",
    "limits",
    "callers",
    "decisions/s",
    "p99 ms",
    "own CPU µs",
    "Redis CPU µs",
  ];
  console.log(toMarkdown(header, rows));
} finally {
  await deferred.releaseAll();
}

/** User and system time of the server since it started. */
async function redisCpuMs(client: Redis): Promise<number> {
  const info = await client.info("cpu");
  const seconds = ["used_cpu_user", "used_cpu_sys"].map((name) => {
    return Number(new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]);
  });
  return 1_000 * seconds.reduce((sum, one) => sum + one, 0);
}

function chargeOf(quota: Quota, key: number, limits: number): Charge {
  const items = Array.from({ length: limits }, (_, index) => {
    const rule = {
      name: `rule-${index}`,
      key: `rule-${index}|requests|10.0.${key >> 8}.${key & 255}`,
      quota,
      onStoreFailure: "refuse",
    } as const;
    return { rule, amount: 1, isHeld: false };
  });
  return { items };
}

async function measure(
  store: LimitStore,
  charges: readonly Charge[],
  callers: number,
  redisCpu: () => Promise<number>,
): Promise<Measured> {
  const [own, redis, startMs] = [process.cpuUsage(), await redisCpu(), performance.now()];
  const latenciesMs = await load(store, charges, { callers, ms: roundMs });
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(own);
  const redisMs = (await redisCpu()) - redis;
  latenciesMs.sort((a, b) => a - b);
  const count = latenciesMs.length;
  return {
    perSecond: count / seconds,
    ownUs: (user + system) / count,
    redisUs: (redisMs * 1_000) / count,
    p99Ms: latenciesMs[Math.floor(count * 0.99)] ?? 0,
  };
}

async function load(
  store: LimitStore,
  charges: readonly Charge[],
  { callers, ms }: { readonly callers: number; readonly ms: number },
): Promise<number[]> {
  const latenciesMs: number[] = [];
  const untilMs = performance.now() + ms;
  let next = 0;
  const call = async () => {
    for (let nowMs = performance.now(); nowMs < untilMs; ) {
      next += 1;
      const { allowed } = await store.spend(charges[next % charges.length] ?? { items: [] });
      if (!allowed) throw new Error("refused");
      const doneMs = performance.now();
      latenciesMs.push(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return latenciesMs;
}
