import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../lib/fake-clock.js";
import { perIp, policyOf } from "../../test/support/ratelimit-service.js";
import { createStatus } from "./status.js";
import { MemoryStore } from "./stores/memory-store.js";
import type { StoreStatus } from "./stores/store-status.js";

const store = new MemoryStore({ keysMax: 10, reservationsMax: 10 }, new FakeClock());
const policy = {
  current: policyOf(perIp(10)),
  loadedAtMs: 1_000,
  reloads: { accepted: 2, refused: 1 },
};
const memory: StoreStatus = { kind: "memory", keysInMemory: 3, reservationsInMemory: 1 };

test("the status of counters in memory says what is there and nothing else", () => {
  deepEqual(createStatus({ store, status: () => memory, replicas: 1, policy })(), {
    store: memory,
    replicas: 1,
    reservations: { opened: 0, committed: 0, released: 0, expired: 0 },
    rules: {
      count: 2,
      loadedAt: "1970-01-01T00:00:01.000Z",
      reloads: { accepted: 2, refused: 1 },
    },
  });
});

test("the status of shared counters says since when they are away, as long as they are", () => {
  const shared = {
    isConnected: false,
    breaker: "open",
    breakerFailures: 5,
    degradedSinceMs: 2_000,
    timeouts: 1,
    errors: 4,
    unknownOutcomes: 5,
    settlementsKept: 0,
    settlementsDropped: 0,
  } as const;
  let status: StoreStatus = { ...memory, kind: "redis", shared };
  const read = createStatus({ store, status: () => status, replicas: 4, policy });
  const { degradedSinceMs, ...counts } = shared;
  deepEqual(read().store.shared, { ...counts, degradedSince: "1970-01-01T00:00:02.000Z" });
  status = { ...status, shared: { ...shared, breaker: "closed", degradedSinceMs: undefined } };
  equal("degradedSince" in (read().store.shared ?? {}), false);
});
