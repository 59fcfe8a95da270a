import { deepEqual, equal, ok } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { exchange, openTestEdge, type TestEdge } from "../../test/support/test-edge.js";

const embed = "/arrowmesh.gateway.v1.GatewayService/Embed";
const get = `${embed}?connect=v1&encoding=json&message=%7B%7D`;

/** Which pages may call, by the setting. */
const cases: readonly (readonly [setting: string, origin: string, isAllowed: boolean])[] = [
  ["loopback", "http://localhost:3000", true],
  ["loopback", "https://127.0.0.1", true],
  ["loopback", "http://[::1]:8080", true],
  ["loopback", "http://localhost.evil.example", false],
  ["loopback", "http://evil.example?http://localhost", false],
  ["loopback", "null", false],
  ["https://a.example, https://b.example", "https://b.example", true],
  ["https://a.example, https://b.example", "https://a.example.evil.example", false],
  ["https://a.example, https://b.example", "http://a.example", false],
  ["https://a.example, https://b.example", "http://localhost", false],
  ["*", "https://any.example", true],
  ["*", "null", true],
];

for (const [setting, origin, isAllowed] of cases) {
  test(`CORS_ORIGINS=${setting} ${isAllowed ? "lets" : "does not let"} ${origin} call`, async () => {
    const edge = await openTestEdge({ CORS_ORIGINS: setting });
    try {
      const asked = { origin, "access-control-request-method": "POST" };
      const preflight = await exchange(edge.port, embed, { method: "OPTIONS", headers: asked });
      const call = await exchange(edge.port, get, { headers: { origin } });
      equal(preflight.status, 200);
      for (const { headers } of [preflight, call]) {
        equal(headers["access-control-allow-origin"], isAllowed ? origin : undefined);
        equal(headers["access-control-allow-credentials"], undefined);
        ok(headers.vary?.includes("Origin"));
      }
      equal(preflight.headers["access-control-allow-headers"] !== undefined, isAllowed);
      equal(call.headers["access-control-allow-headers"], undefined);
    } finally {
      await edge.close();
    }
  });
}

describe("a page that may call", () => {
  let edge: TestEdge;
  const origin = "http://localhost:3000";
  before(async () => {
    edge = await openTestEdge({}, (app) => app.get("/info", (_request, reply) => reply.send({})));
  });
  after(() => edge.close());

  test("may send what Connect documents, credentials and a trace, and asks again after two hours", async () => {
    const headers = { origin, "access-control-request-method": "POST" };
    const preflight = await exchange(edge.port, embed, { method: "OPTIONS", headers });
    deepEqual(items(preflight.headers["access-control-allow-methods"]), ["get", "post"]);
    equal(preflight.headers["access-control-max-age"], "7200");
    contains(preflight.headers["access-control-allow-headers"], [
      "Content-Type",
      "Connect-Protocol-Version",
      "Connect-Timeout-Ms",
      "Grpc-Timeout",
      "X-Grpc-Web",
      "X-User-Agent",
      "Authorization",
      "traceparent",
      "uber-trace-id",
      "X-Arrowmesh-User",
      "X-Stainless-Lang",
    ]);
  });

  test("may read what our answers say in headers", async () => {
    for (const path of [get, "/info", "/absent"]) {
      const { headers } = await exchange(edge.port, path, { headers: { origin } });
      equal(headers["access-control-allow-origin"], origin, path);
      contains(headers["access-control-expose-headers"], [
        "Grpc-Status",
        "Grpc-Message",
        "Grpc-Status-Details-Bin",
        "X-Request-Id",
        "Retry-After",
        "RateLimit",
        "RateLimit-Policy",
        "X-RateLimit-Degraded",
        "X-RateLimit-Remaining-Tokens",
        "X-Compute-Time",
        "X-Compute-Type",
        "X-Compute-Characters",
        "X-Compute-Tokens",
        "X-Total-Time",
        "X-Tokenization-Time",
        "X-Queue-Time",
        "X-Inference-Time",
        "OpenAI-Processing-Ms",
        "ETag",
      ]);
    }
  });

  test("shares no kept answer with pages of other origins, or of none", async () => {
    for (const path of [get, "/info"]) {
      for (const headers of [{}, { origin }]) {
        const { vary } = (await exchange(edge.port, path, { headers })).headers;
        equal(vary, "Origin, Accept-Encoding", path);
      }
    }
  });
});

function items(list: string | undefined): string[] {
  return (list ?? "")
    .split(",")
    .map((item) => item.trim().toLowerCase())
    .sort();
}

function contains(list: string | undefined, names: readonly string[]): void {
  const listed = items(list);
  deepEqual(
    names.filter((name) => !listed.includes(name.toLowerCase())),
    [],
  );
}
