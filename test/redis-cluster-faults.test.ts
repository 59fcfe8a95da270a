// What becomes of limits when a part of the Redis Cluster that holds them moves or dies: with real servers on this machine.

import { ok } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, describe, test } from "node:test";
import { sleep, systemClock } from "../lib/clock.js";
import { Deferred } from "../lib/defer.js";
import { openRedisStore } from "../services/ratelimit/stores/open-redis-store.js";
import { RedisCluster } from "../services/ratelimit/stores/redis-cluster.js";
import { counterKeyOf } from "../services/ratelimit/stores/redis-keys.js";
import { redisMissing } from "../services/ratelimit/stores/redis-server.js";
import { slotOf } from "../services/ratelimit/stores/slot-of.js";
import type { LimitStore } from "../services/ratelimit/stores/store.js";
import {
  lasting,
  left,
  ruleOf,
  spending,
  lastingUnits as units,
} from "../services/ratelimit/stores/suite-charges.js";
import { freePort } from "./support/free-port.js";
import { untilPasses } from "./support/until.js";

const wait = (ms: number) => sleep(systemClock, ms);

describe("limits in a Redis Cluster that changes", { skip: redisMissing, timeout: 240_000 }, () => {
  const deferred = new Deferred();
  after(() => deferred.releaseAll());

  test("while a slot moves and when a primary dies, never too much is allowed", async () => {
    const cluster = new RedisCluster(await Promise.all(Array.from({ length: 6 }, freePort)));
    deferred.defer(() => cluster.remove());
    await cluster.start();
    const settings = { redisCluster: [...cluster.addresses], redisTimeoutMs: 500 };
    const { store } = openRedisStore(settings, deferred.defer);
    const rules = lasting
      .slice(0, 3)
      .map((quota) => ({ ...ruleOf(quota), key: `${randomUUID()}|one` }));
    const slot = slotOf(counterKeyOf(rules[0]?.key ?? ""));
    const home = Math.floor((slot * 3) / 16_384);
    const load = new Load(
      store,
      rules.map((rule) => spending(1, rule)),
    );
    await load.run(async () => {
      await wait(300);
      await cluster.reshard(slot, home, (home + 1) % 3);
      await wait(300);
    });
    ok(load.allowed > 100, JSON.stringify(load));
    const moved = { ...load };
    const { primary, replica } = cluster.pair((home + 1) % 3);
    await primary.replicatedTo(replica);
    await primary.kill();
    await load.run(async () => {
      await untilPasses(() => store.peek(spending(1, ...rules)), 30_000);
    });
    const spent = (await left(store, ...rules)).reduce(
      (sum, remaining) => sum + units - remaining,
      0,
    );
    ok(
      spent >= moved.allowed && spent <= load.allowed + load.failed,
      `${spent} of ${JSON.stringify(load)}`,
    );
    ok(load.allowed <= 3 * units, JSON.stringify(load));
    ok(
      moved.failed < moved.allowed / 2,
      `too many were unavailable while the slot moved: ${JSON.stringify(moved)}`,
    );
  });
});

/** Spends as long as something else happens, and counts. */
class Load {
  allowed = 0;
  failed = 0;
  readonly #store: LimitStore;
  readonly #charges: readonly Parameters<LimitStore["spend"]>[0][];

  constructor(store: LimitStore, charges: readonly Parameters<LimitStore["spend"]>[0][]) {
    this.#store = store;
    this.#charges = charges;
  }

  async run(meanwhile: () => Promise<void>): Promise<void> {
    let isOver = false;
    const spending = Promise.all(
      this.#charges.map(async (charge) => {
        while (!isOver) {
          await this.#store.spend(charge).then(
            ({ allowed }) => {
              if (allowed) this.allowed += 1;
            },
            () => {
              this.failed += 1;
            },
          );
          await wait(5);
        }
      }),
    );
    await meanwhile().finally(() => {
      isOver = true;
    });
    await spending;
  }
}
