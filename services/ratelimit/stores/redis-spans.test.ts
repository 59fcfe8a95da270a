import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { systemClock } from "../../../lib/clock.js";
import { Deferred } from "../../../lib/defer.js";
import { fakeTracing } from "../../../lib/tracing/fake-tracing.js";
import { openRedisStore } from "./open-redis-store.js";
import { RedisServer, redisMissing } from "./redis-server.js";
import { ruleOf, slow, spending } from "./suite-charges.js";

describe("what a trace shows of Redis", { skip: redisMissing, timeout: 60_000 }, () => {
  const server = new RedisServer();
  const deferred = new Deferred();
  before(() => server.start());
  afterEach(() => deferred.releaseAll());
  after(() => server.remove());

  test("each decision of a shared call has a span, with the server and no key", async () => {
    const { store } = openRedisStore({ redisUrl: server.url }, deferred.defer);
    const tracing = fakeTracing(systemClock);
    const calls = [tracing.begin().begin("a"), tracing.begin().begin("b")];
    await Promise.all(calls.map((trace) => store.spend({ ...spending(1, ruleOf(slow)), trace })));
    for (const call of calls) call.end();
    const spans = tracing.exported.filter(({ kind }) => kind === "client");
    deepEqual(
      spans.map(({ name, parent }) => [name, parent]),
      calls.map((call) => ["EVALSHA decide", call]),
    );
    for (const { attributes } of spans) {
      deepEqual(attributes, {
        "db.system.name": "redis",
        "db.operation.name": "EVALSHA",
        "db.stored_procedure.name": "decide",
        "db.operation.batch.size": 2,
        "server.address": server.url,
      });
    }
  });

  test("a Redis that refuses is the span's failure, which says nothing of the password", async () => {
    const redisUrl = "redis://user:a-password@127.0.0.1:1";
    const { store } = openRedisStore({ redisUrl }, deferred.defer);
    const tracing = fakeTracing(systemClock);
    const trace = tracing.begin().begin("call");
    await rejects(store.spend({ ...spending(1, ruleOf(slow)), trace }), { fault: "unavailable" });
    trace.end();
    const [span] = tracing.exported.filter(({ kind }) => kind === "client");
    equal(span?.error?.fault, "unavailable");
    equal(span.attributes["server.address"], "127.0.0.1");
    equal(span.attributes["server.port"], 1);
    ok(!JSON.stringify([span.attributes, span.error.message]).includes("password"));
  });
});
