import { once } from "node:events";
import type { Server } from "node:http";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Registry } from "prom-client";
import type { Release } from "./defer.js";
import { observeConnections } from "./metrics/connections.js";

/** Takes over a connection that has been accepted. */
export interface Acceptor {
  accept(socket: Socket): void;
}

/** Hands accepted connections to a server of node:http that never listens itself. */
export function acceptHttp1(server: Server): Acceptor {
  // Only a server that listens tracks its connections, which its timeouts and its `close*Connections` need.
  server.emit("listening");
  return { accept: (socket) => void server.emit("connection", socket) };
}

/** Every HTTP/2 client sends this first (RFC 9113, 3.4). */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Clients open connections ahead of need; one that is closed while its first request is on the way fails that request,
 * so a silent connection may stay as long as an idle one of HTTP/1.1.
 */
const silentMsMax = 75_000;
/** Once it speaks, it has so long between the first bytes that tell its protocol, or for a handshake. */
const firstBytesMsMax = 10_000;

/** What a port needs to speak TLS, in PEM. */
export interface Secured {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Set: callers without a certificate of these authorities are refused. */
  readonly clientCa?: Buffer;
}

/** Listens once and hands each connection to HTTP/1.1 or HTTP/2, by its first bytes; with TLS, by ALPN. Returns the port. */
export async function listenOnOnePort(
  options: {
    readonly host: string;
    readonly port: number;
    readonly http1: Acceptor;
    readonly http2: Acceptor;
    /** Absent: cleartext. */
    readonly tls?: Secured | undefined;
    /** Connections that are open stay; new ones are refused from its abort on. */
    readonly until?: AbortSignal;
    /** Set: has the number of open connections. */
    readonly registry?: Registry;
  },
  defer: (release: Release) => void,
): Promise<number> {
  const undecided = new Set<Socket>();
  const accept = (socket: Socket): void => {
    undecided.add(socket);
    const forget = (): void => void undecided.delete(socket);
    socket.once("close", forget);
    socket.on("error", () => socket.destroy());
    socket.setTimeout(silentMsMax, () => socket.destroy());
    whenDecided(socket, (isHttp2) => {
      forget();
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      (isHttp2 ? options.http2 : options.http1).accept(socket);
    });
  };
  const server =
    options.tls === undefined
      ? createServer({ noDelay: true }, accept)
      : listenSecurely(options.tls, { ...options, undecided });
  if (options.registry !== undefined) observeConnections(options.registry, server);
  server.listen(options.port, options.host);
  await once(server, "listening");
  options.until?.addEventListener("abort", () => server.close());
  defer(() => {
    server.close();
    for (const socket of undecided) socket.destroy();
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : options.port;
}

/** ALPN has agreed on a protocol before the first byte; a caller without it speaks HTTP/1.1. */
function listenSecurely(
  { cert, key, clientCa }: Secured,
  {
    http1,
    http2,
    undecided,
  }: { readonly http1: Acceptor; readonly http2: Acceptor; readonly undecided: Set<Socket> },
): NetServer {
  const server = createTlsServer(
    {
      cert,
      key,
      ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true }),
      minVersion: "TLSv1.2",
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: firstBytesMsMax,
      noDelay: true,
    },
    (socket) => {
      socket.on("error", () => socket.destroy());
      if (socket.alpnProtocol === "h2") {
        http2.accept(socket);
        return;
      }
      http1.accept(socket);
      // While an answer waits to go out, node:http pauses its parser and the socket. But a parser that reads from the
      // socket natively still gets all TLS records that have come, and fails at the second (HPE_PAUSED): the connection
      // ends amid answers. For a socket with a listener for its data the parser is fed by the stream, which does pause.
      socket.on("data", () => {});
    },
  );
  // A handshake must not outlive the server. Connections that got past it have ended when the port is released.
  server.on("connection", (socket: Socket) => {
    undecided.add(socket);
    socket.once("close", () => undecided.delete(socket));
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

/** Reads until the bytes differ from the preface or complete it, then puts them back. */
function whenDecided(socket: Socket, decide: (isHttp2: boolean) => void): void {
  const chunks: Buffer[] = [];
  const onReadable = (): void => {
    const chunk: unknown = socket.read();
    if (!Buffer.isBuffer(chunk)) return;
    chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const length = Math.min(bytes.length, preface.length);
    const matches = bytes.subarray(0, length).equals(preface.subarray(0, length));
    if (matches && length < preface.length) {
      socket.setTimeout(firstBytesMsMax);
      return;
    }
    socket.off("readable", onReadable);
    socket.unshift(bytes);
    decide(matches);
  };
  socket.on("readable", onReadable);
}
