// What callers of each protocol are told of limits, and what the edge tells of callers.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { GatewayService } from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { type Limit, LimitSchema, Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { QuotaFailureSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { transportsOf } from "../../test/support/clients.js";
import { exchange, openTestEdge } from "../../test/support/test-edge.js";
import { contextOf } from "./http/app.js";
import { toRefusal } from "./limit-refusal.js";
import { addLimitHeaders } from "./openai/limit-headers.js";

const policy = '"per-ip";q=10;qu="requests";w=60, "tokens";q=500;qu="tokens";w=60';

function limit(name: string, unit: Unit, state: Partial<Limit>): Limit {
  return create(LimitSchema, {
    ...{ name, unit, quota: unit === Unit.TOKENS ? 500n : 10n, windowMs: 60_000n },
    ...{ remaining: 4n, resetMs: 30_500n, retryAfterMs: 0n },
    ...state,
  });
}

/** A limiter that allows whatever it is asked, except to the user called "greedy"; "nobody" has no limits. */
function decide(context: CallContext): void {
  const { callRecord, caller } = context;
  const record = callRecord?.limits;
  if (record === undefined || caller?.user === "nobody") return;
  const isGreedy = caller?.user === "greedy";
  record.requests = [limit("per-ip", Unit.REQUESTS, {})];
  const state = isGreedy ? { remaining: 0n, retryAfterMs: 1_001n } : { remaining: 488n };
  record.tokens = [limit("tokens", Unit.TOKENS, state)];
  record.isDegraded = caller?.user === "degraded";
  if (isGreedy) throw toRefusal(record.tokens, context, "m");
}

async function withEdge(
  use: (edge: { readonly port: number; readonly transports: [string, Transport][] }) => unknown,
): Promise<void> {
  const edge = await openTestEdge(
    {},
    (app) => {
      app.post("/work", (request, reply) => {
        decide(contextOf(request));
        addLimitHeaders(reply);
        return reply.send({ caller: contextOf(request).caller });
      });
    },
    decide,
  );
  try {
    const transports = Object.entries(transportsOf(`http://127.0.0.1:${edge.port}`));
    await use({ port: edge.port, transports });
  } finally {
    await edge.close();
  }
}

/** One Embed call, with what stood before and after its message. */
async function embed(transport: Transport, user: string) {
  const before: Headers[] = [];
  const after: Headers[] = [];
  const { model } = await createClient(GatewayService, transport).embed(
    { inputs: ["a"] },
    {
      headers: { "x-arrowmesh-user": user },
      onHeader: (headers) => void before.push(headers),
      onTrailer: (trailers) => void after.push(trailers),
    },
  );
  equal(model, "test");
  return { header: before[0] ?? new Headers(), trailer: after[0] ?? new Headers() };
}

test("over every RPC protocol an answer tells its limits in headers, never in trailers", async () => {
  await withEdge(async ({ transports }) => {
    for (const [name, transport] of transports) {
      const { header, trailer } = await embed(transport, "alice");
      equal(header.get("ratelimit-policy"), policy, name);
      equal(header.get("ratelimit"), '"per-ip";r=4;t=31, "tokens";r=488;t=31', name);
      equal(header.get("x-ratelimit-degraded"), null, name);
      equal(trailer.get("ratelimit"), null, name);
      equal(trailer.get("ratelimit-policy"), null, name);
    }
  });
});

test("over every RPC protocol a refusal names its limit, the caller and the time to come back", async () => {
  await withEdge(async ({ transports }) => {
    for (const [name, transport] of transports) {
      await rejects(embed(transport, "greedy"), (error) => {
        ok(error instanceof ConnectError, name);
        equal(error.code, Code.ResourceExhausted, name);
        equal(error.metadata.get("retry-after"), "2", name);
        equal(error.metadata.get("ratelimit-policy"), policy, name);
        equal(error.metadata.get("ratelimit"), '"per-ip";r=4, "tokens";r=0;t=2', name);
        const [violation] = error.findDetails(QuotaFailureSchema)[0]?.violations ?? [];
        equal(violation?.quotaId, "tokens", name);
        equal(violation?.quotaMetric, "tokens", name);
        equal(violation?.quotaValue, 500n, name);
        equal(violation?.subject, "ip:127.0.0.1 user:greedy", name);
        equal(violation?.quotaDimensions.route, "arrowmesh.gateway.v1.GatewayService/Embed", name);
        equal(error.findDetails(RetryInfoSchema)[0]?.retryDelay?.nanos, 1_000_000, name);
        return true;
      });
    }
  });
});

test("where no limit applies nothing is said of limits, over any protocol", async () => {
  await withEdge(async ({ port, transports }) => {
    for (const [name, transport] of transports) {
      const { header } = await embed(transport, "nobody");
      deepEqual(
        [...header.keys()].filter((key) => key.includes("ratelimit")),
        [],
        name,
      );
    }
    const { headers } = await post(port, "nobody");
    deepEqual(
      Object.keys(headers).filter((key) => key.includes("ratelimit")),
      [],
    );
  });
});

test("routes tell the same in headers, of an answer and of a refusal", async () => {
  await withEdge(async ({ port }) => {
    const { status, headers, body } = await post(port, "alice");
    equal(status, 200);
    equal(headers["ratelimit-policy"], policy);
    equal(headers.ratelimit, '"per-ip";r=4;t=31, "tokens";r=488;t=31');
    equal(headers["x-ratelimit-remaining-tokens"], "488");
    equal(headers["x-ratelimit-reset-requests"], "30.5s");
    const caller = { apiKey: "", tier: "", user: "alice", route: "POST /work" };
    deepEqual(JSON.parse(String(body)), { caller });

    const refused = await post(port, "greedy");
    equal(refused.status, 429);
    equal(refused.headers["ratelimit-policy"], policy);
    equal(refused.headers.ratelimit, '"per-ip";r=4, "tokens";r=0;t=2');
    equal(refused.headers["retry-after"], "2");
    equal(JSON.parse(String(refused.body)).error_type, "RateLimited");
  });
});

test("a decision without the shared counters is told", async () => {
  await withEdge(async ({ port, transports }) => {
    equal((await post(port, "degraded")).headers["x-ratelimit-degraded"], "true");
    for (const [name, transport] of transports) {
      const { header } = await embed(transport, "degraded");
      equal(header.get("x-ratelimit-degraded"), "true", name);
    }
  });
});

function post(port: number, user: string) {
  const headers = { "content-type": "application/json", "x-arrowmesh-user": user };
  return exchange(port, "/work", { headers, body: "{}" });
}

test("the name that a trusted proxy gives is the caller, over RPC and over routes", async () => {
  const seen: string[] = [];
  const note = ({ clientIp }: CallContext): void => void seen.push(clientIp);
  const edge = await openTestEdge(
    { TRUSTED_PROXIES: "127.0.0.1" },
    (app) => {
      app.post("/work", (request, reply) => {
        note(contextOf(request));
        return reply.send({});
      });
    },
    note,
  );
  try {
    const forwarded = { "x-forwarded-for": "198.51.100.1, 203.0.113.7" };
    const headers = { ...forwarded, "content-type": "application/json" };
    await exchange(edge.port, "/work", { headers, body: "{}" });
    const transports = Object.values(transportsOf(`http://127.0.0.1:${edge.port}`));
    for (const transport of transports) {
      await createClient(GatewayService, transport).embed(
        { inputs: ["a"] },
        { headers: forwarded },
      );
    }
    deepEqual(seen, Array(1 + transports.length).fill("203.0.113.7"));
  } finally {
    await edge.close();
  }
});
