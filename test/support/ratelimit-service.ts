import type { MessageInitShape } from "@bufbuild/protobuf";
import { Registry } from "prom-client";
import {
  type CallerSchema,
  type Limit,
  RatelimitService,
  Unit,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { MeshError } from "../../lib/errors.js";
import { FakeClock } from "../../lib/fake-clock.js";
import { Breakers } from "../../lib/metrics/breakers.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { noSpan } from "../../lib/tracing/span.js";
import { createRatelimitMetrics } from "../../services/ratelimit/metrics.js";
import { createPolicy, type Policy } from "../../services/ratelimit/policy/policy.js";
import { readPolicy } from "../../services/ratelimit/policy/read-policy.js";
import { createRatelimit } from "../../services/ratelimit/service.js";
import { MemoryStore } from "../../services/ratelimit/stores/memory-store.js";
import type { LimitStore } from "../../services/ratelimit/stores/store.js";

export const context: CallContext = {
  signal: new AbortController().signal,
  deadlineAtMs: 1_000,
  trace: noSpan,
  requestId: "test",
  clientIp: "",
};
export const caller: MessageInitShape<typeof CallerSchema> = { ip: "203.0.113.7" };
export const requests = { caller, unit: Unit.REQUESTS, amount: 1n };
export const tokens = {
  caller,
  unit: Unit.TOKENS,
  amount: 60_000n,
  reservationId: "a",
  ttlMs: 1_000,
};

/** The service over counters in memory, with the limits of a policy file. */
export function openRatelimit(limits: string, storeOver: Partial<LimitStore> = {}) {
  const clock = new FakeClock();
  const registry = new Registry();
  const policy: { current: Policy } = { current: policyOf(limits) };
  const store = new MemoryStore({ keysMax: 1_000, reservationsMax: 100 }, clock);
  const count = createRatelimitMetrics({ registry, clock, breakers: new Breakers(registry) });
  count.observe(store, () => ({ kind: "memory", keysInMemory: 0, reservationsInMemory: 0 }));
  const ratelimit = createRatelimit({ policy, store: Object.assign(store, storeOver), count });
  const channel = createLocalChannel({
    role: "ratelimit",
    bindings: [ratelimit],
    interceptors: [],
  });
  return { client: channel.client(RatelimitService), clock, registry, policy };
}

/** The policy of a file that has these limits. */
export function policyOf(limits: string, env: NodeJS.ProcessEnv = {}): Policy {
  return createPolicy(readPolicy([{ file: "limits.yaml", text: `limits:\n${limits}` }], env));
}

/** Limits of an address: 50 requests a second, some at once, and 100,000 tokens a minute. */
export function perIp(requestsBurst: number): string {
  return `
  - { name: requests-per-ip, counts: requests, per: [ip], quota: 50, window: 1s, burst: ${requestsBurst} }
  - { name: tokens-per-ip, counts: tokens, per: [ip], quota: 100000, window: 1m }`;
}

export function limitsOf({ limits }: { readonly limits: readonly Limit[] }) {
  return limits.map((l) => [l.name, l.quota, l.remaining, l.resetMs, l.retryAfterMs]);
}

export function isInvalid(field: string) {
  return (error: unknown): boolean =>
    error instanceof MeshError &&
    error.fault === "invalid" &&
    error.details.fields?.[0]?.field === field;
}
