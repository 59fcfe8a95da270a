import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { sleep, systemClock } from "../../../lib/clock.js";
import { readConfig } from "../../../lib/config.js";
import { Deferred } from "../../../lib/defer.js";
import { until } from "../../../test/support/until.js";
import { ratelimitSchema } from "../config.js";
import type { AppliedRule, OnStoreFailure } from "./charge.js";
import { failuresMax } from "./circuit-breaker.js";
import { type OpenedStore, openGuardedStore } from "./open-guarded-store.js";
import { RedisServer, redisMissing } from "./redis-server.js";
import { commit, holding, left, release, ruleOf, slow, spending } from "./suite-charges.js";

const log = { info() {}, warn() {}, error() {} };
/** Far above the budget of 20 ms for a machine that does other things too, far below what Redis is away. */
const answerMsMax = 1_000;
const outageMs = 2_000;
const backMsMax = 10_000;

describe("a real Redis that fails", { skip: redisMissing }, () => {
  test("paused under load, it delays no decision; then decisions are shared again", async (t) => {
    const { server, opened } = await open(t);
    const rule = failing("degrade", 1_000_000);
    const seen = { isOver: false, longestMs: 0, degraded: 0, shared: 0 };
    const workers = Array.from({ length: 8 }, () => spendUntilOver(opened, rule, seen));
    await sleep(systemClock, 200);
    deepEqual([seen.degraded, seen.shared > 0], [0, true]);
    server.pause();
    await sleep(systemClock, outageMs);
    equal(opened.status().shared?.breaker === "closed", false);
    server.resume();
    await untilShared(opened);
    seen.isOver = true;
    await Promise.all(workers);
    t.diagnostic(JSON.stringify(seen));
    ok(seen.longestMs < answerMsMax, `${seen.longestMs} ms`);
    ok(seen.degraded > 100, `${seen.degraded} decisions during the outage`);
    const { timeouts = 0, unknownOutcomes = 0 } = opened.status().shared ?? {};
    // What each worker asked before the breaker opened: it takes some failures, one after another.
    const unknownMax = workers.length * failuresMax;
    ok(timeouts >= failuresMax && unknownOutcomes <= unknownMax, `${unknownOutcomes}`);
    equal((await opened.store.spend(spending(1, rule))).isDegraded, false);
  });

  test("killed and started again, it is used again; in between each rule decides as it says", async (t) => {
    const { server, opened } = await open(t);
    const { store } = opened;
    const rules = {
      allow: failing("allow"),
      degrade: failing("degrade"),
      refuse: failing("refuse"),
    };
    await store.spend(spending(10, ...Object.values(rules)));
    await server.kill();
    await untilAway(opened);
    equal((await store.spend(spending(11, rules.allow))).allowed, true);
    deepEqual(
      [
        await store.spend(spending(8, rules.degrade)),
        await store.spend(spending(8, rules.degrade)),
      ].map(({ allowed, isDegraded }) => [allowed, isDegraded]),
      [
        [true, true],
        [false, true],
      ],
    );
    await rejects(store.spend(spending(1, rules.refuse)), { fault: "unavailable" });
    equal(store.isReady(), false);
    await server.start();
    await untilShared(opened);
    equal(store.isReady(), true);
    deepEqual(await left(store, rules.refuse, rules.degrade), [10, 10]);
  });

  test("what ends while it is paused is settled there when it goes on", async (t) => {
    const { server, opened } = await open(t);
    const { store } = opened;
    const rule = failing("degrade");
    await store.spend(holding({ id: "kept", amount: 3 }, rule));
    await store.spend(holding({ id: "returned", amount: 4 }, rule));
    server.pause();
    await untilAway(opened);
    await Promise.all([commit(store, "kept"), release(store, "returned")]);
    server.resume();
    await untilShared(opened);
    await until(() => opened.status().shared?.settlementsKept === 0, backMsMax);
    deepEqual(await left(store, rule), [7]);
    equal(opened.status().shared?.settlementsDropped, 0);
  });

  test("away when the process starts, it is found when it comes", async (t) => {
    const server = new RedisServer();
    const opened = await openWith(t, server);
    equal(opened.store.isReady(), false);
    equal((await opened.store.spend(spending(1, failing("degrade")))).isDegraded, true);
    await server.start();
    await untilShared(opened);
    equal((await opened.store.spend(spending(1, failing("refuse")))).isDegraded, false);
  });

  test("whoever is over the limit costs it nothing, until there is room", async (t) => {
    const { opened } = await open(t);
    const { store } = opened;
    const rule = ruleOf({ algorithm: "token_bucket", perWindow: 5, windowMs: 1_000, burst: 10 });
    await store.spend(spending(10, rule));
    const startMs = systemClock.nowMs();
    let refused = 0;
    let wait = 0;
    for (;;) {
      const { allowed, states } = await store.spend(spending(1, rule));
      if (allowed) break;
      refused += 1;
      wait = Math.max(wait, states[0]?.retryAfterMs ?? 0);
    }
    const tookMs = systemClock.nowMs() - startMs;
    const { hits = 0 } = opened.status().overLimit ?? {};
    t.diagnostic(`${refused} refusals in ${Math.round(tookMs)} ms, ${hits} without Redis`);
    ok(hits > refused / 2 && hits < refused);
    ok(wait <= 200 && tookMs > 100);
  });

  test("what a reservation holds is not taken for spent", async (t) => {
    const { opened } = await open(t);
    const { store } = opened;
    const rule = ruleOf(slow);
    const id = randomUUID();
    await store.spend(holding({ id, amount: 4 }, rule));
    await store.spend(spending(6, rule));
    for (let call = 0; call < 3; call += 1) {
      equal((await store.spend(spending(4, rule))).allowed, false);
    }
    await release(store, id);
    equal((await store.spend(spending(4, rule))).allowed, true);
    equal(opened.status().overLimit?.hits, 0);
  });
});

async function open(t: TestContext) {
  const server = new RedisServer();
  await server.start();
  return { server, opened: await openWith(t, server) };
}

/** Redis itself is given so long that only the guard keeps decisions short. */
async function openWith(t: TestContext, server: RedisServer): Promise<OpenedStore> {
  const deferred = new Deferred();
  t.after(async () => {
    server.resume();
    await deferred.releaseAll();
    await server.remove();
  });
  const env = { REDIS_URL: server.url, RATELIMIT_REDIS_TIMEOUT_MS: "5000" };
  const deps = { clock: systemClock, defer: deferred.defer, log };
  return await openGuardedStore(readConfig(ratelimitSchema, env), deps);
}

function failing(onStoreFailure: OnStoreFailure, burst = slow.burst): AppliedRule {
  return { ...ruleOf({ ...slow, burst }), onStoreFailure };
}

async function spendUntilOver(
  { store }: OpenedStore,
  rule: AppliedRule,
  seen: { isOver: boolean; longestMs: number; degraded: number; shared: number },
): Promise<void> {
  while (!seen.isOver) {
    const startMs = systemClock.nowMs();
    const { allowed, isDegraded } = await store.spend(spending(1, rule));
    ok(allowed);
    seen.longestMs = Math.max(seen.longestMs, systemClock.nowMs() - startMs);
    if (isDegraded) seen.degraded += 1;
    else seen.shared += 1;
    await sleep(systemClock, 5);
  }
}

/** Asks until nobody waits any more. */
async function untilAway({ store, status }: OpenedStore): Promise<void> {
  const rule = failing("allow");
  for (let call = 0; call < 2 * failuresMax; call += 1) await store.spend(spending(1, rule));
  equal(status().shared?.breaker === "closed", false);
}

async function untilShared({ store }: OpenedStore): Promise<void> {
  await until(() => store.isReady(), backMsMax);
}
