// node limiter-process.js: reads {settings, quota, key, calls} as JSON from its first argument, spends one unit after
// another of one counter in Redis, some at a time, and prints how often that was allowed.

import { randomUUID } from "node:crypto";
import { Deferred } from "../../lib/defer.js";
import type { Quota } from "../../services/ratelimit/algorithms/quota.js";
import {
  openRedisStore,
  type StoreSettings,
} from "../../services/ratelimit/stores/open-redis-store.js";
import { holding, ruleOf, spending } from "../../services/ratelimit/stores/suite-charges.js";

const callersMax = 25;

interface Task {
  readonly settings: StoreSettings;
  readonly quota: Quota;
  readonly key: string;
  readonly calls: number;
}

// Written by the test that starts this process.
const { settings, quota, key, calls } = JSON.parse(process.argv[2] ?? "") as Task;
const rule = { ...ruleOf(quota), key };
const deferred = new Deferred();
const { store } = openRedisStore(settings, deferred.defer);
let allowed = 0;
let left = calls;

await Promise.all(Array.from({ length: callersMax }, spendAll));
await deferred.releaseAll();
console.log(allowed);

async function spendAll(): Promise<void> {
  while (left > 0) {
    left -= 1;
    const isHeld = quota.algorithm === "concurrency";
    const held = { id: randomUUID(), amount: 1, ttlMs: 600_000 };
    const decision = await store.spend(isHeld ? holding(held, rule) : spending(1, rule));
    if (decision.allowed) allowed += 1;
  }
}
