// What becomes of limits when the Redis that holds them is away: with real servers on this machine.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { sleep, systemClock } from "../lib/clock.js";
import { Deferred } from "../lib/defer.js";
import { packageRoot } from "../lib/package-root.js";
import {
  openRedisStore,
  type StoreSettings,
} from "../services/ratelimit/stores/open-redis-store.js";
import { RedisServer, redisMissing } from "../services/ratelimit/stores/redis-server.js";
import {
  commit,
  holding,
  lasting,
  left,
  ruleOf,
  slow,
  spending,
  lastingUnits as units,
} from "../services/ratelimit/stores/suite-charges.js";
import { makeAuthority } from "./support/certificates.js";
import { freePort } from "./support/free-port.js";
import { missing, run } from "./support/programs.js";
import { untilPasses } from "./support/until.js";

const wait = (ms: number) => sleep(systemClock, ms);
const processes = 8;

describe("limits in a Redis that fails", { skip: redisMissing, timeout: 240_000 }, () => {
  const deferred = new Deferred();
  afterEach(() => deferred.releaseAll());

  async function startServer(...input: ConstructorParameters<typeof RedisServer>) {
    const server = new RedisServer(...input);
    deferred.defer(() => server.remove());
    await server.start();
    return server;
  }

  const open = (settings: StoreSettings) => openRedisStore(settings, deferred.defer);

  for (const quota of lasting) {
    test(`${quota.algorithm}: eight processes are allowed exactly the quota`, async () => {
      const server = await startServer();
      const task = { settings: { redisUrl: server.url }, quota, key: randomUUID(), calls: 100 };
      equal(await hammer(task), units);
    });
  }

  for (const isKept of [false, true]) {
    const what = isKept ? "has all that it wrote down" : "has forgotten what was spent";
    test(`killed and started again, a Redis ${isKept ? "with" : "without"} a log ${what}`, async () => {
      const log = isKept ? ["--appendonly", "yes", "--appendfsync", "always"] : [];
      const server = await startServer({ arguments: log });
      const { store, lines } = open({ redisUrl: server.url, redisTimeoutMs: 500 });
      const rules = lasting.map((quota) => ruleOf(quota));
      const id = randomUUID();
      equal((await store.spend(holding({ id, amount: 7 }, ...rules))).allowed, true);
      await server.kill();
      await rejects(store.spend(spending(1, ...rules.slice(0, 3))), { fault: "unavailable" });
      await rejects(commit(store, id), { fault: "unavailable" });
      await server.start();
      await untilPasses(() => commit(store, id));
      const [kept, slots] = isKept ? [units - 7, units] : [units, units];
      deepEqual(await left(store, ...rules), [kept, kept, kept, slots]);
      deepEqual(lines, ["redis is away", "redis is back"]);
    });
  }

  test("a Redis that is not there is unavailable at once", async () => {
    const { store, lines } = open({ redisUrl: "/nowhere/redis.sock" });
    for (let index = 0; index < 3; index += 1) {
      const startMs = systemClock.nowMs();
      await rejects(store.spend(spending(1, ruleOf(slow))), { fault: "unavailable" });
      ok(systemClock.nowMs() - startMs < 1_500);
    }
    await rejects(commit(store, "a"), { fault: "unavailable" });
    equal(store.isReady(), false);
    await wait(100);
    deepEqual(lines, ["redis is away"]);
  });

  test("while a Redis stands still for five seconds no call waits long, and each is spent once at most", async () => {
    const server = await startServer();
    const { store } = open({ redisUrl: server.url, redisTimeoutMs: 250 });
    const rule = ruleOf({ ...slow, burst: 1_000 });
    const counts = { allowed: 0, failed: 0, waitedMsMax: 0 };
    const spend = async () => {
      const startMs = systemClock.nowMs();
      const isAllowed = await store.spend(spending(1, rule)).then(
        ({ allowed }) => allowed,
        () => undefined,
      );
      if (isAllowed === true) counts.allowed += 1;
      if (isAllowed === undefined) counts.failed += 1;
      counts.waitedMsMax = Math.max(counts.waitedMsMax, systemClock.nowMs() - startMs);
    };
    await Promise.all(Array.from({ length: 50 }, spend));
    equal(counts.allowed, 50);
    server.pause();
    const resumeAtMs = systemClock.nowMs() + 5_000;
    while (systemClock.nowMs() < resumeAtMs) await Promise.all([wait(100), spend(), spend()]);
    server.resume();
    ok(counts.failed > 10, String(counts.failed));
    ok(counts.waitedMsMax < 2_500, String(counts.waitedMsMax));
    await untilPasses(() => store.spend(spending(1, rule)));
    const [remaining = 0] = await left(store, rule);
    const spent = 1_000 - remaining - 1;
    ok(
      spent >= counts.allowed && spent <= counts.allowed + counts.failed,
      `${spent} of ${JSON.stringify(counts)}`,
    );
  });

  test("a Redis that was emptied begins anew, and what was held before is ignored", async () => {
    const server = await startServer();
    const { store } = open({ redisUrl: server.url });
    const rules = lasting.map((quota) => ruleOf(quota));
    const id = randomUUID();
    await store.spend(holding({ id, amount: 7 }, ...rules));
    await server.call("FLUSHALL");
    deepEqual(await left(store, ...rules), [units, units, units, units]);
    await store.spend(holding({ id: randomUUID(), amount: 2 }, ...rules));
    await store.settle([{ id, keptMax: 0 }]);
    deepEqual(
      await left(store, ...rules),
      lasting.map(() => units - 2),
    );
  });

  test("Sentinels make the replica primary, and limits are there again", async () => {
    const { primary, replica, sentinels } = await startSentinels(startServer);
    const { store } = open({
      redisSentinels: sentinels,
      redisSentinelName: "limits",
      redisTimeoutMs: 500,
    });
    const rule = ruleOf({ ...slow, burst: 100 });
    await untilPasses(() => store.spend(spending(30, rule)));
    await primary.replicatedTo(replica);
    await primary.kill();
    await untilPasses(() => store.spend(spending(1, rule)), 30_000);
    const [remaining = 0] = await left(store, rule);
    ok(remaining <= 69 && remaining >= 60, String(remaining));
  });

  test("by TLS, with an authority of one's own, and not without it", {
    skip: missing("openssl"),
  }, async () => {
    const authority = await makeAuthority();
    deferred.defer(async () => authority.remove());
    const { certFile, keyFile } = await authority.sign("redis");
    const port = await freePort();
    const server = new RedisServer({
      arguments: [
        "--tls-port",
        String(port),
        "--tls-cert-file",
        certFile,
        "--tls-key-file",
        keyFile,
        "--tls-ca-cert-file",
        authority.certFile,
      ],
    });
    deferred.defer(() => server.remove());
    server.launch();
    const redisUrl = `rediss://127.0.0.1:${port}`;
    const { store } = open({
      redisUrl,
      redisTlsCaFile: authority.certFile,
      redisTlsCertFile: certFile,
      redisTlsKeyFile: keyFile,
    });
    await untilPasses(async () =>
      equal((await store.spend(spending(1, ruleOf(slow)))).allowed, true),
    );
    const stranger = open({ redisUrl });
    await rejects(stranger.store.spend(spending(1, ruleOf(slow))), { fault: "unavailable" });
  });
});

/** How many of all calls of eight processes were allowed. */
async function hammer(task: object): Promise<number> {
  const program = join(packageRoot, "dist/test/support/limiter-process.js");
  const finished = await Promise.all(
    Array.from({ length: processes }, () => run(process.execPath, [program, JSON.stringify(task)])),
  );
  for (const { code, stderr } of finished) equal(code, 0, stderr);
  return finished.reduce((sum, { stdout }) => sum + Number(stdout), 0);
}

/** A primary, its replica, and three Sentinels that agree by two. */
async function startSentinels(
  startServer: (...input: ConstructorParameters<typeof RedisServer>) => Promise<RedisServer>,
) {
  const [primaryPort, replicaPort] = [await freePort(), await freePort()];
  const primary = await startServer({ port: primaryPort });
  const replica = await startServer({
    port: replicaPort,
    arguments: ["--replicaof", "127.0.0.1", String(primaryPort)],
  });
  await untilPasses(async () => {
    equal(/master_link_status:up/.test(String(await replica.call("INFO", "replication"))), true);
  });
  const sentinels: string[] = [];
  for (let index = 0; index < 3; index += 1) {
    const port = await freePort();
    const lines = [
      `sentinel monitor limits 127.0.0.1 ${primaryPort} 2`,
      "sentinel down-after-milliseconds limits 1000",
      "sentinel failover-timeout limits 5000",
    ];
    await startServer({ port, sentinel: lines });
    sentinels.push(`127.0.0.1:${port}`);
  }
  return { primary, replica, sentinels };
}
