import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../lib/clock.js";
import { readConfig } from "../../../lib/config.js";
import { Deferred } from "../../../lib/defer.js";
import { ratelimitSchema } from "../config.js";
import { MemoryStore } from "./memory-store.js";
import { openStore } from "./open-store.js";
import { RedisServer, redisMissing } from "./redis-server.js";
import { RedisStore } from "./redis-store.js";
import { ruleOf, slow, spending } from "./suite-charges.js";

const log = { info() {}, warn() {} };

test("without REDIS_URL the counters are in memory", async () => {
  const { defer, releaseAll } = deferred();
  const store = openStore(readConfig(ratelimitSchema, {}), { clock: systemClock, defer, log });
  ok(store instanceof MemoryStore);
  equal(store.isReady(), true);
  await releaseAll();
});

test("with REDIS_URL they are in Redis, which the first call waits for", {
  skip: redisMissing,
}, async () => {
  const server = new RedisServer();
  const { defer, releaseAll } = deferred();
  defer(() => server.remove());
  try {
    await server.start();
    const config = readConfig(ratelimitSchema, { REDIS_URL: server.url });
    const store = openStore(config, { clock: systemClock, defer, log });
    ok(store instanceof RedisStore);
    equal(store.isReady(), false);
    equal((await store.spend(spending(1, ruleOf(slow)))).allowed, true);
    equal(store.isReady(), true);
  } finally {
    await releaseAll();
  }
});

function deferred() {
  const all = new Deferred();
  return { defer: all.defer, releaseAll: () => all.releaseAll() };
}
