import { equal, match } from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Registry } from "prom-client";
import { Deferred } from "./defer.js";
import { acceptHttp1, listenOnOnePort } from "./one-port.js";

async function withPort(use: (port: number) => Promise<void>, registry?: Registry): Promise<void> {
  const deferred = new Deferred();
  const http1 = createServer((_request, response) => response.end("one"));
  const http2 = createHttp2Server((_request, response) => response.end("two"));
  const port = await listenOnOnePort(
    {
      host: "127.0.0.1",
      port: 0,
      http1: acceptHttp1(http1),
      http2: { accept: (socket) => http2.emit("connection", socket) },
      ...(registry !== undefined && { registry }),
    },
    deferred.defer,
  );
  try {
    await use(port);
  } finally {
    http1.closeAllConnections();
    http1.close();
    await deferred.releaseAll();
  }
}

test("HTTP/1.1 and cleartext HTTP/2 are answered on one port", () =>
  withPort(async (port) => {
    const headers = { connection: "close" };
    equal(await (await fetch(`http://127.0.0.1:${port}`, { headers })).text(), "one");
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    equal(await text(session.request({ ":path": "/" })), "two");
    session.destroy();
  }));

test("a request that comes byte by byte is still recognised", () =>
  withPort(async (port) => {
    const socket = connect(port, "127.0.0.1");
    for (const byte of "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n") {
      socket.write(byte);
      await turn();
    }
    match(await text(socket), /^HTTP\/1\.1 200/);
  }));

test("an HTTP/2 preface in two parts is still one", () =>
  withPort(async (port) => {
    const socket = connect(port, "127.0.0.1");
    socket.write("PRI * HTTP/2.0\r\n");
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.write("\r\nSM\r\n\r\n");
    // The server's first frame is SETTINGS, type 4 (RFC 9113, 3.4).
    const [frame] = (await once(socket, "data")) as [Buffer];
    equal(frame[3], 4);
    socket.destroy();
  }));

test("what is no HTTP is closed", () =>
  withPort(async (port) => {
    const socket = connect(port, "127.0.0.1");
    socket.end("\0\x01\x02 nonsense\r\n\r\n");
    match(await text(socket), /^HTTP\/1\.1 400/);
  }));

test("open connections are counted, whatever they speak", () => {
  const registry = new Registry();
  const counted = async (): Promise<number | undefined> =>
    (await registry.getSingleMetric("arrowmesh_active_connections")?.get())?.values[0]?.value;
  return withPort(async (port) => {
    equal(await counted(), 0);
    const silent = connect(port, "127.0.0.1");
    await once(silent, "connect");
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    equal(await text(session.request({ ":path": "/" })), "two");
    equal(await counted(), 2);
    const closed = [once(silent, "close"), once(session, "close")];
    silent.destroy();
    session.destroy();
    await Promise.all(closed);
    while ((await counted()) !== 0) await turn();
  }, registry);
});

test("connections that said nothing do not keep the port open", async () => {
  let socket = connect({ port: 1, host: "127.0.0.1" });
  socket.on("error", () => {});
  await withPort(async (port) => {
    socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
  });
  await once(socket, "close");
});
