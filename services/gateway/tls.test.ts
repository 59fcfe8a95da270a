import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { GatewayService } from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { readConfig } from "../../lib/config.js";
import {
  type Certified,
  makeAuthority,
  type TestAuthority,
} from "../../test/support/certificates.js";
import { missing } from "../../test/support/programs.js";
import { exchange, openTestEdge, type TestEdge } from "../../test/support/test-edge.js";
import { gatewaySchema } from "./config.js";
import { readTls } from "./tls.js";

describe("TLS", { skip: missing("openssl") }, () => {
  let authority: TestAuthority;
  let stranger: TestAuthority;
  let server: Certified;
  before(async () => {
    authority = await makeAuthority();
    stranger = await makeAuthority();
    server = await authority.sign("server");
  });
  after(() => {
    authority.remove();
    stranger.remove();
  });

  describe("with a certificate", () => {
    let edge: TestEdge;
    before(async () => {
      const { certFile: TLS_CERT_FILE, keyFile: TLS_KEY_FILE } = server;
      edge = await openTestEdge({ TLS_CERT_FILE, TLS_KEY_FILE }, (app) => {
        app.get("/info", ({ raw }, reply) => reply.send({ version: raw.httpVersion }));
        app.get("/large", (_request, reply) => reply.send(Buffer.alloc(16 << 20)));
        app.post("/echo", ({ body }, reply) => reply.send(body));
      });
    });
    after(() => edge.close());

    test("HTTP/1.1 and HTTP/2 are agreed on by ALPN on one port", async () => {
      const { port } = edge;
      const one = await exchange(port, "/info", { tls: { ca: authority.cert } });
      equal(String(one.body), '{"version":"1.1"}');
      const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: authority.cert });
      const two = await buffer(session.request({ ":path": "/info" }));
      equal(session.alpnProtocol, "h2");
      equal(String(two), '{"version":"2.0"}');
      session.destroy();
    });

    test("a client without ALPN speaks HTTP/1.1", async () => {
      const socket = connectTls({ port: edge.port, host: "127.0.0.1", ca: authority.cert });
      await once(socket, "secureConnect");
      equal(socket.alpnProtocol, false);
      socket.write("GET /info HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
      match(String(await buffer(socket)), /^HTTP\/1\.1 200/);
    });

    test("a request of several TLS records is taken in while an answer before it still goes out", async () => {
      const socket = connectTls({ port: edge.port, host: "127.0.0.1", ca: authority.cert });
      await once(socket, "secureConnect");
      // Nobody reads yet, so the answer waits in the server.
      socket.write("GET /large HTTP/1.1\r\nhost: a\r\n\r\n");
      await once(socket, "readable");
      const body = JSON.stringify({ text: "a".repeat(60_000) });
      const head =
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json";
      socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      // So that it has come before there is room for the first answer.
      await sleep(100);
      equal(String(await buffer(socket)).endsWith(body), true);
    });

    test("gRPC works", async () => {
      const baseUrl = `https://127.0.0.1:${edge.port}`;
      const nodeOptions = { ca: authority.cert };
      const client = createClient(GatewayService, createGrpcTransport({ baseUrl, nodeOptions }));
      equal((await client.embed({ inputs: ["a"] })).embeddings.length, 1);
    });

    test("versions before 1.2 are refused", async () => {
      const socket = connectTls({
        port: edge.port,
        host: "127.0.0.1",
        ca: authority.cert,
        minVersion: "TLSv1",
        maxVersion: "TLSv1.1",
        // Without this, OpenSSL refuses before it has asked the server.
        ciphers: "DEFAULT@SECLEVEL=0",
      });
      const [error] = (await once(socket, "error")) as [Error & { code: string }];
      match(error.code, /ALERT_PROTOCOL_VERSION/);
    });

    test("cleartext, and clients who leave in the middle of a handshake, do no harm", async () => {
      const socket = connect(edge.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.end("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      socket.resume();
      await once(socket, "close");
      connect(edge.port, "127.0.0.1").destroy();
      const answer = await exchange(edge.port, "/info", { tls: { ca: authority.cert } });
      equal(answer.status, 200);
    });
  });

  describe("with client certificates", () => {
    let edge: TestEdge;
    before(async () => {
      edge = await openTestEdge(
        {
          TLS_CERT_FILE: server.certFile,
          TLS_KEY_FILE: server.keyFile,
          TLS_CLIENT_CA_FILE: authority.certFile,
        },
        (app) => app.get("/info", (_request, reply) => reply.send({})),
      );
    });
    after(() => edge.close());

    test("who shows one of the authority is served", async () => {
      const { cert, key } = await authority.sign("client");
      const tls = { ca: authority.cert, cert, key };
      equal((await exchange(edge.port, "/info", { tls })).status, 200);
    });

    test("who shows none, or a stranger's, is not", async () => {
      const { cert, key } = await stranger.sign("client");
      for (const shown of [{}, { cert, key }]) {
        const tls = { ca: authority.cert, ...shown };
        await rejects(exchange(edge.port, "/info", { tls }));
      }
    });
  });

  describe("settings that cannot work are named at the start", () => {
    const refuses = (env: NodeJS.ProcessEnv, problem: RegExp): void => {
      throws(
        () => readTls(readConfig(gatewaySchema, env)),
        (error: Error) => {
          equal(error.name, "ConfigError");
          match(error.message, problem);
          return true;
        },
      );
    };

    test("one without the other", () => {
      refuses({ TLS_CERT_FILE: server.certFile }, /TLS_CERT_FILE needs TLS_KEY_FILE/);
      refuses({ TLS_KEY_FILE: server.keyFile }, /TLS_KEY_FILE needs TLS_CERT_FILE/);
      refuses({ TLS_CLIENT_CA_FILE: server.certFile }, /TLS_CLIENT_CA_FILE needs TLS_CERT_FILE/);
      equal(readTls(readConfig(gatewaySchema, {})), undefined);
    });

    test("files that are absent, or of another kind", () => {
      const [TLS_CERT_FILE, TLS_KEY_FILE] = [server.certFile, server.keyFile];
      const absent = `${server.certFile}.absent`;
      refuses(
        { TLS_CERT_FILE: absent, TLS_KEY_FILE },
        /TLS_CERT_FILE: cannot read .*\.absent \(ENOENT\)/,
      );
      refuses(
        { TLS_CERT_FILE: TLS_KEY_FILE, TLS_KEY_FILE },
        /TLS_CERT_FILE: .* has no certificate in PEM/,
      );
      refuses(
        { TLS_CERT_FILE, TLS_KEY_FILE: TLS_CERT_FILE },
        /TLS_KEY_FILE: .* is not a private key in PEM/,
      );
      refuses(
        { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE: TLS_KEY_FILE },
        /TLS_CLIENT_CA_FILE: .* has no certificate in PEM/,
      );
    });

    test("the key of another certificate, and a damaged authority", () => {
      const [TLS_CERT_FILE, TLS_KEY_FILE] = [server.certFile, server.keyFile];
      refuses({ TLS_CERT_FILE, TLS_KEY_FILE: stranger.keyFile }, /is not the key of/);
      const damaged = `${authority.certFile}.damaged`;
      writeFileSync(damaged, String(authority.cert).replace(/\n..../, "\nAAAA"));
      refuses(
        { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE: damaged },
        /has a certificate that cannot be read/,
      );
    });

    test("good ones are read whole", () => {
      const env = {
        TLS_CERT_FILE: server.certFile,
        TLS_KEY_FILE: server.keyFile,
        TLS_CLIENT_CA_FILE: authority.certFile,
      };
      const { cert, key } = server;
      const tls = readTls(readConfig(gatewaySchema, env));
      deepEqual(tls, { cert, key, clientCa: authority.cert });
    });
  });
});
