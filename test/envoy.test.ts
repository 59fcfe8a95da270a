// Envoy's rate limit service as Envoy meets it: a process of its own, over gRPC, with counters in memory and in Redis.

import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  RateLimitResponse_Code as Code,
  type RateLimitResponse,
  RateLimitService,
} from "../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { systemClock } from "../lib/clock.js";
import { Deferred } from "../lib/defer.js";
import { MeshError } from "../lib/errors.js";
import { createGrpcChannel } from "../lib/rpc/grpc-channel.js";
import { type AskEnvoy, runEnvoySuite } from "../services/ratelimit/envoy/envoy-suite.js";
import { of, suiteRules } from "../services/ratelimit/envoy/suite-requests.js";
import { RedisServer, redisMissing } from "../services/ratelimit/stores/redis-server.js";
import { callContext } from "./support/call-context.js";
import { type RoleProcess, startRole } from "./support/mesh-process.js";
import { until } from "./support/until.js";

/** Its files are new, its process answers, and it ends with the test. */
class EnvoyRole {
  readonly #folder = mkdtempSync(join(tmpdir(), "arrowmesh-envoy-"));
  readonly #deferred = new Deferred();
  #process: RoleProcess | undefined;
  #ask: AskEnvoy | undefined;

  async start(env: NodeJS.ProcessEnv = {}): Promise<void> {
    this.write(suiteRules);
    this.#process = await startRole("ratelimit", { ...env, RATELIMIT_ENVOY_CONFIG: this.#folder });
    const channel = createGrpcChannel({
      address: `127.0.0.1:${this.#process.port}`,
      clock: systemClock,
      messageBytesMax: 1 << 20,
      defer: this.#deferred.defer,
    });
    const client = channel.client(RateLimitService);
    this.#ask = async (request) => await client.shouldRateLimit(request, callContext());
  }

  readonly ask: AskEnvoy = async (request) => {
    ok(this.#ask !== undefined);
    return await this.#ask(request);
  };

  get url(): string {
    return this.#process?.url ?? "";
  }

  /** As Kubernetes and editors do: a whole file takes the place of the one before. */
  write(text: string): void {
    const path = join(this.#folder, "rules.yaml");
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  async get(path: string): Promise<string> {
    return await (await fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(5_000) })).text();
  }

  async stop(): Promise<void> {
    await this.#deferred.releaseAll();
    await this.#process?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

describe("over gRPC, with counters in memory", { timeout: 120_000 }, () => {
  const role = new EnvoyRole();
  before(() => role.start());
  after(() => role.stop());

  runEnvoySuite(role.ask);

  test("/json decides by the same counters, and says in its status what it decided", async () => {
    const descriptor = of("user");
    const body = JSON.stringify({ domain: "cases", descriptors: [descriptor], hitsAddend: 2 });
    // As curl sends it: not as JSON.
    const post = async (text: string) =>
      await fetch(`${role.url}/json`, { method: "POST", body: text });
    const first = await post(body);
    equal(first.status, 200);
    match(first.headers.get("content-type") ?? "", /^application\/json/);
    const shown = (await first.json()) as { statuses: { durationUntilReset?: string }[] };
    match(shown.statuses[0]?.durationUntilReset ?? "", /^\d+s$/);
    delete shown.statuses[0]?.durationUntilReset;
    const currentLimit = { requestsPerUnit: 3, unit: "YEAR" };
    deepEqual(shown, {
      overallCode: "OK",
      statuses: [{ code: "OK", currentLimit, limitRemaining: 1 }],
    });
    equal((await post(body)).status, 429);
    equal((await role.ask({ domain: "cases", descriptors: [descriptor] })).overallCode, Code.OK);
    for (const bad of ["", "{", "[]", '{"domain":"cases"}', '{"domian":"cases"}']) {
      const refused = await post(bad);
      equal(refused.status, 400, bad);
      const { error, request_id } = (await refused.json()) as Record<string, string>;
      ok(error !== undefined && request_id === refused.headers.get("x-request-id"), bad);
    }
    equal((await post(`"${"x".repeat(3_000_000)}"`)).status, 413);
  });

  test("a new version of the files takes over, and one that is wrong does not", async () => {
    const limits = async () => await role.get("/rlconfig");
    match(
      await limits(),
      /^cases\.user: unit=YEAR requests_per_unit=3, shadow_mode: false, quota_mode: false$/m,
    );
    match(await limits(), /^cases\.bucket: .* algorithm: token_bucket, burst: 5$/m);
    role.write("domain: cases\ndescriptors:\n  - key: user\n    ratelimit: {}\n");
    await until(async () => (await role.get("/metrics")).includes("config_load_error 1"));
    match(await limits(), /^cases\.user: /m);
    role.write("domain: other\ndescriptors: [{ key: a, rate_limit: { unit: day } }]\n");
    await until(async () => (await limits()).startsWith("other.a: "));
    match(await role.get("/metrics"), /^ratelimit_service_config_load_success 2$/m);
    const banned: RateLimitResponse = await role.ask({ domain: "other", descriptors: [of("a")] });
    equal(banned.overallCode, Code.OVER_LIMIT);
  });
});

describe("over gRPC, with counters in Redis", { timeout: 120_000, skip: redisMissing }, () => {
  const redis = new RedisServer();
  const role = new EnvoyRole();
  before(async () => {
    await redis.start();
    // No test is about a Redis that a busy machine makes slow.
    await role.start({ REDIS_URL: redis.url, RATELIMIT_DECISION_BUDGET_MS: "1000" });
  });
  after(async () => {
    await role.stop();
    await redis.remove();
  });

  runEnvoySuite(role.ask);

  test("while Redis is away a limit refuses to decide, or passes where it says so, or in shadow mode", async () => {
    const [user, open, shadow] = ["user", "open", "shadow"].map((key) => of(key));
    ok(user !== undefined && open !== undefined && shadow !== undefined);
    const ask = async (...descriptors: ReturnType<typeof of>[]) =>
      await role.ask({ domain: "cases", descriptors });
    equal((await ask(user, open, shadow)).overallCode, Code.OK);
    await redis.kill();
    const isAway = (error: unknown) => error instanceof MeshError && error.fault === "unavailable";
    await rejects(ask(user), isAway);
    await rejects(ask(open, user), isAway);
    equal((await ask(open, shadow)).overallCode, Code.OK);
    match(await role.get("/metrics"), /should_rate_limit_error\{err_type="redis_error"\} 2/);
  });
});
