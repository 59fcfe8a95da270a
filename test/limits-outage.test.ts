import { deepEqual, equal, match, ok } from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { RedisServer, redisMissing } from "../services/ratelimit/stores/redis-server.js";
import { type RoleProcess, startRole } from "./support/mesh-process.js";
import { until } from "./support/until.js";

describe("the limiter's process while Redis is away", { skip: redisMissing }, () => {
  test("stays ready, says since when, and goes back to Redis", async (t) => {
    const { redis, role } = await open(t);
    const before = await statusOf(role);
    deepEqual(
      [before.store.kind, before.store.shared.isConnected, before.store.shared.breaker],
      ["redis", true, "closed"],
    );
    ok(before.rules.count > 0 && Date.parse(before.rules.loadedAt) <= Date.now());
    equal(before.replicas, 3);
    await redis.kill();
    await until(async () => (await gaugeOf(role, "redis_connected")) === 0);
    equal(await readyOf(role), 200);
    await redis.start();
    await until(async () => (await gaugeOf(role, "redis_connected")) === 1);
    const { shared } = (await statusOf(role)).store;
    deepEqual(
      [shared.isConnected, shared.breaker, shared.degradedSince],
      [true, "closed", undefined],
    );
  });

  test("started without Redis it decides alone, until Redis comes", async (t) => {
    const { redis, role } = await open(t, { isRedisThere: false });
    equal(await readyOf(role), 200);
    const { shared } = (await statusOf(role)).store;
    deepEqual([shared.isConnected, shared.breaker === "closed"], [false, false]);
    match(shared.degradedSince ?? "", /^\d{4}-\d\d-\d\dT/);
    ok((await gaugeOf(role, "breaker_state")) > 0);
    await redis.start();
    await until(async () => (await gaugeOf(role, "breaker_state")) === 0);
  });

  test("is not ready when every limit refuses to decide without Redis", async (t) => {
    const limits =
      "limits: [{ name: a, counts: requests, per: [ip], quota: 1, window: 1s, on_store_failure: refuse }]";
    const { redis, role } = await open(t, { limits });
    equal(await readyOf(role), 200);
    await redis.kill();
    await until(async () => (await readyOf(role)) === 503);
    await redis.start();
    await until(async () => (await readyOf(role)) === 200);
  });
});

async function open(
  t: TestContext,
  {
    isRedisThere = true,
    limits,
  }: { readonly isRedisThere?: boolean; readonly limits?: string } = {},
) {
  const redis = new RedisServer();
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-limits-"));
  t.after(async () => {
    await redis.remove();
    rmSync(folder, { recursive: true, force: true });
  });
  const file = join(folder, "limits.yaml");
  if (limits !== undefined) writeFileSync(file, limits);
  if (isRedisThere) await redis.start();
  const role = await startRole("ratelimit", {
    REDIS_URL: redis.url,
    RATELIMIT_REPLICAS: "3",
    ...(limits !== undefined && { RATELIMIT_POLICY_FILE: file }),
  });
  t.after(() => role.stop());
  return { redis, role };
}

interface Status {
  readonly store: {
    readonly kind: string;
    readonly shared: {
      readonly isConnected: boolean;
      readonly breaker: string;
      readonly degradedSince?: string;
    };
  };
  readonly rules: { readonly count: number; readonly loadedAt: string };
  readonly replicas: number;
}

async function statusOf({ url }: RoleProcess): Promise<Status> {
  // Its shape is what this test is about.
  return (await (await fetch(`${url}/status`)).json()) as Status;
}

async function readyOf({ url }: RoleProcess): Promise<number> {
  return (await fetch(`${url}/ready`)).status;
}

async function gaugeOf({ url }: RoleProcess, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^arrowmesh_${name}(?:{.*})? (\\d+)$`, "m").exec(text)?.[1]);
}
