import { deepEqual, equal, match, ok } from "node:assert/strict";
import { connect, constants } from "node:http2";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { GatewayService } from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { exchange, openTestEdge, type TestEdge } from "../../test/support/test-edge.js";

const embed = "/arrowmesh.gateway.v1.GatewayService/Embed";
const embedStream = "/arrowmesh.gateway.v1.GatewayService/EmbedStream";
const json = { "content-type": "application/json" };
const bodyBytesMax = 65_536;
const long = "a".repeat(50_000);
const bomb = Buffer.alloc(10_000_000, " ");

const embedding = (count: number): string =>
  JSON.stringify({ inputs: Array.from({ length: count }, () => "a") });
const getPath = (message: string, more = ""): string =>
  `${embed}?connect=v1&encoding=json&message=${encodeURIComponent(message)}${more}`;

describe("the public port", () => {
  let edge: TestEdge;
  before(async () => {
    edge = await openTestEdge({ BODY_BYTES_MAX: String(bodyBytesMax) }, (app) => {
      app.get("/short", (_request, reply) => reply.send({ a: 1 }));
      app.get("/long", (_request, reply) => reply.send({ long }));
      app.get("/secret", (_request, reply) => reply.header("cache-control", "no-store").send("s"));
      app.post("/count", async ({ body }) => ({ characters: JSON.stringify(body).length }));
      app.post("/long", (_request, reply) => reply.send({ long }));
      app.get("/health", (_request, reply) => reply.send({ status: "ok" }));
    });
  });
  after(() => edge.close());

  describe("answers of GET", () => {
    for (const path of ["/short", "/long", getPath(embedding(1)), getPath(embedding(200))]) {
      test(`${path.slice(0, 40)} says how long it holds, and is not sent twice`, async () => {
        const first = await exchange(edge.port, path);
        equal(first.status, 200);
        match(String(first.headers.etag), /^W\/"[\w-]{27}"$/);
        equal(first.headers["cache-control"], "private, no-cache");
        equal(first.headers.vary, "Origin, Accept-Encoding");

        const headers = { "if-none-match": `"other", ${first.headers.etag}` };
        const second = await exchange(edge.port, path, { headers });
        deepEqual([second.status, second.body.length], [304, 0]);
        equal(second.headers.etag, first.headers.etag);
        equal(second.headers["cache-control"], "private, no-cache");
        equal(second.headers["content-type"], undefined);

        const changed = await exchange(edge.port, path, {
          headers: { "if-none-match": '"other"' },
        });
        deepEqual([changed.status, changed.body], [200, first.body]);
      });
    }

    test("have one validator for HEAD and for every encoding", async () => {
      const plain = await exchange(edge.port, "/long");
      const head = await exchange(edge.port, "/long", { method: "HEAD" });
      deepEqual([head.status, head.body.length], [200, 0]);
      equal(head.headers.etag, plain.headers.etag);
      const headers = { "accept-encoding": "gzip" };
      equal((await exchange(edge.port, "/long", { headers })).headers.etag, plain.headers.etag);
    });

    test("are not kept where they are of this moment, failed, or a route says so", async () => {
      for (const path of ["/health", "/secret", "/absent", getPath("{")]) {
        const { headers } = await exchange(edge.port, path);
        equal(headers.etag, undefined, path);
        ok(headers["cache-control"] !== "private, no-cache", path);
      }
    });
  });

  describe("compression of answers", () => {
    const unpack = { br: brotliDecompressSync, gzip: gunzipSync };
    const long: readonly (readonly [path: string, body: string | undefined])[] = [
      ["/long", undefined],
      ["/long", "{}"],
      [embed, embedding(200)],
    ];
    for (const [path, body] of long) {
      for (const coding of ["br", "gzip"] as const) {
        test(`${body === undefined ? "GET" : "POST"} ${path} by ${coding}`, async () => {
          const ask = (headers: Record<string, string>) =>
            exchange(edge.port, path, {
              headers: { ...(body !== undefined && json), ...headers },
              ...(body !== undefined && { body }),
            });
          const plain = await ask({});
          equal(plain.headers["content-encoding"], undefined);
          const packed = await ask({ "accept-encoding": coding });
          equal(packed.headers["content-encoding"], coding);
          equal(packed.headers["content-length"], String(packed.body.length));
          ok(packed.body.length < plain.body.length / 2);
          deepEqual(unpack[coding](packed.body), plain.body);
        });
      }
    }

    test("leaves short answers, and callers who did not ask, alone", async () => {
      const headers = { "accept-encoding": "gzip, br" };
      const short = await exchange(edge.port, "/short", { headers });
      equal(short.headers["content-encoding"], undefined);
      const asked = { ...json, ...headers };
      const one = await exchange(edge.port, embed, { headers: asked, body: embedding(1) });
      equal(one.headers["content-encoding"], undefined);
      const none = { "accept-encoding": "identity" };
      const plain = await exchange(edge.port, "/long", { headers: none });
      equal(plain.headers["content-encoding"], undefined);
    });
  });

  describe("compressed requests", () => {
    const message = embedding(3);
    const packed: readonly (readonly [coding: string, pack: (bytes: Buffer) => Buffer])[] = [
      ["gzip", gzipSync],
      ["br", brotliCompressSync],
    ];
    for (const [coding, pack] of packed) {
      const headers = { ...json, "content-encoding": coding };
      test(`${coding} is read`, async () => {
        for (const path of ["/count", embed]) {
          const body = pack(Buffer.from(message));
          equal((await exchange(edge.port, path, { headers, body })).status, 200, path);
        }
      });

      test(`a small body of ${coding} that unpacks to a huge one is refused`, async () => {
        const body = pack(bomb);
        ok(body.length < bodyBytesMax);
        equal((await exchange(edge.port, "/count", { headers, body })).status, 413);
        const refused = await exchange(edge.port, embed, { headers, body });
        match(String(refused.body), /resource_exhausted/);
      });

      test(`a body that is not ${coding} is refused`, async () => {
        equal((await exchange(edge.port, "/count", { headers, body: message })).status, 400);
      });
    }

    test("another coding is refused by name", async () => {
      const headers = { ...json, "content-encoding": "zstd" };
      const { status, body } = await exchange(edge.port, "/count", { headers, body: "x" });
      equal(status, 415);
      match(String(body), /expected Content-Encoding: gzip, br/);
    });
  });

  describe("a message that is too large", () => {
    const body = Buffer.alloc(3_000_000, "a");

    for (const connection of ["keep-alive", "close"]) {
      test(`is told so over HTTP/1.1, connection: ${connection}`, async () => {
        const headers = { ...json, connection };
        const answer = await exchange(edge.port, embed, { headers, body });
        equal(answer.status, 429);
        match(String(answer.body), /"code":"resource_exhausted"/);
      });
    }

    test("is told so over HTTP/2, and the connection serves on", async () => {
      const session = connect(`http://127.0.0.1:${edge.port}`);
      const ask = async (body: string | Buffer) => {
        const stream = session.request({ ":method": "POST", ":path": embed, ...json });
        const answered = buffer(stream);
        stream.end(body);
        const text = String(await answered);
        return { text, code: stream.rstCode };
      };
      try {
        const refused = await ask(body);
        match(refused.text, /"code":"resource_exhausted"/);
        equal(refused.code, constants.NGHTTP2_NO_ERROR);
        match((await ask(embedding(1))).text, /"embeddings"/);
      } finally {
        session.destroy();
      }
    });

    test("in a stream is the caller's mistake and no bug", async () => {
      const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${edge.port}` });
      const client = createClient(GatewayService, transport);
      const inputs = ["a", "a".repeat(100_000)];
      const answers = client.embedStream(
        (async function* () {
          for (const input of inputs) yield { input };
        })(),
      );
      let code: Code | undefined;
      try {
        for await (const _ of answers);
      } catch (thrown) {
        code = ConnectError.from(thrown).code;
      }
      equal(code, Code.ResourceExhausted);
      deepEqual(edge.seen.at(-1), {
        name: embedStream.slice(1),
        protocol: "grpc",
        status: "too_large",
      });
    });
  });

  test("a call without a host that makes sense is a bad request", async () => {
    for (const host of ["[", "a b"]) {
      const answer = await exchange(edge.port, embed, { headers: { ...json, host }, body: "{}" });
      equal(answer.status, 400, host);
    }
  });

  describe("a call that is refused before a method runs", () => {
    const refused: readonly (readonly [
      why: string,
      options: Parameters<typeof exchange>[2],
      httpStatus: number,
      protocol: string,
      status: string,
    ])[] = [
      ["bad JSON", { headers: json, body: "{" }, 400, "connect", "malformed"],
      [
        "another content type",
        { headers: { "content-type": "text/plain" }, body: "a" },
        415,
        "connect",
        "unsupported_media_type",
      ],
      [
        "another verb",
        { method: "PUT", headers: json, body: "{}" },
        405,
        "connect",
        "wrong_method",
      ],
      [
        "a compression that we have not",
        { headers: { ...json, "content-encoding": "zstd" }, body: "a" },
        501,
        "connect",
        "unsupported",
      ],
      [
        "a message that is too large",
        { headers: json, body: Buffer.alloc(bodyBytesMax + 1, "a") },
        429,
        "connect",
        "too_large",
      ],
      [
        "bytes that are no message, by gRPC-Web",
        {
          headers: { "content-type": "application/grpc-web+proto" },
          body: Buffer.from([0, 0, 0, 0, 1, 255]),
        },
        200,
        "grpc-web",
        "malformed",
      ],
      [
        "a frame that is too large, by gRPC-Web",
        {
          headers: { "content-type": "application/grpc-web+proto" },
          body: Buffer.concat([Buffer.from([0, 0, 2, 0, 0]), Buffer.alloc(0x2_00_00)]),
        },
        200,
        "grpc-web",
        "too_large",
      ],
    ];
    for (const [why, options, httpStatus, protocol, status] of refused) {
      test(`is seen like any other: ${why}`, async () => {
        const count = edge.seen.length;
        const headers = { ...options?.headers, "x-request-id": "mine" };
        const answer = await exchange(edge.port, embed, { ...options, headers });
        equal(answer.status, httpStatus);
        equal(answer.headers["x-request-id"], "mine");
        deepEqual(edge.seen.slice(count), [{ name: embed.slice(1), protocol, status }]);
      });
    }
  });
});
