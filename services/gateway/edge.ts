import { createServer } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import type { ConnectRouter } from "@connectrpc/connect";
import type { FastifyInstance } from "fastify";
import type { Registry } from "prom-client";
import { type Clock, sleep } from "../../lib/clock.js";
import type { Release } from "../../lib/defer.js";
import type { NodeRequest, NodeResponse } from "../../lib/exchange.js";
import type { Interceptor } from "../../lib/interceptors/interceptor.js";
import { acceptHttp1, listenOnOnePort } from "../../lib/one-port.js";
import type { Binding } from "../../lib/rpc/call.js";
import { createConnectHandler } from "../../lib/rpc/connect-handler.js";
import type { OpenEntry } from "../../lib/rpc/entry.js";
import { decodeInvalidUtf8AsLoneSurrogate } from "../../lib/rpc/lenient-utf8.js";
import { dropUnread } from "../../lib/unread-body.js";
import type { GatewayConfig } from "./config.js";
import { createCors } from "./cors.js";
import { createApp } from "./http/app.js";
import { methodsOf } from "./http/errors.js";
import { readTls } from "./tls.js";

/** Responses that are still being written get this long when the process ends. */
const flushMsMax = 2_000;

export interface EdgeOptions {
  readonly host: string;
  readonly config: Pick<
    GatewayConfig,
    | "port"
    | "bodyBytesMax"
    | "compressBytesMin"
    | "corsOrigins"
    | "tlsCertFile"
    | "tlsKeyFile"
    | "tlsClientCaFile"
  >;
  readonly clock: Clock;
  readonly openEntry: OpenEntry;
  readonly bindings: readonly {
    readonly binding: Binding;
    readonly interceptors: readonly Interceptor[];
  }[];
  /** For the plain HTTP routes. */
  readonly interceptors: readonly Interceptor[];
  readonly addRoutes: (app: FastifyInstance) => void;
  /** For services that no binding describes: those that speak Connect's own terms. */
  readonly addRpcRoutes?: (router: ConnectRouter) => void;
  /** Set: has the number of open connections. */
  readonly registry?: Registry;
  readonly defer: (release: Release) => void;
}

/** The public port: Connect, gRPC, gRPC-Web and HTTP+JSON, over HTTP/1.1 and HTTP/2, in cleartext or TLS. Returns it. */
export async function openEdge(options: EdgeOptions): Promise<number> {
  const { config, clock, defer, openEntry, interceptors } = options;
  decodeInvalidUtf8AsLoneSurrogate();
  const tls = readTls(config);
  let toFastify: Handler = () => {};
  const http1 = createServer({ keepAliveTimeout: 75_000, requestTimeout: 60_000 });
  const app = createApp({
    bodyBytesMax: config.bodyBytesMax,
    compressBytesMin: config.compressBytesMin,
    interceptors,
    openEntry,
    createServer: (listener) => {
      // Fastify's own listener serves HTTP/2 as well: Node's compatibility API has the same shape.
      toFastify = listener as Handler;
      return http1;
    },
  });
  options.addRoutes(app);
  await app.ready();

  // A number, not a set of them: dead tables of a set that changes with every request lead to the next ones, and keep
  // what stood in them alive through one collection of garbage after another.
  let openCount = 0;
  const answer = createHandler(options, {
    methodsOf: (path) => methodsOf(app, path),
    answer: (request, response) => toFastify(request, response),
  });
  const handle: Handler = (request, response) => {
    openCount += 1;
    dropUnread(request, response, clock);
    response.once("close", () => {
      openCount -= 1;
    });
    answer(request, response);
  };
  http1.on("request", handle);
  const http2 = createHttp2Server({}, handle);
  const sessions = trackSessions(http2);
  const port = await listenOnOnePort(
    {
      host: options.host,
      port: config.port,
      http1: acceptHttp1(http1),
      http2: { accept: (socket) => http2.emit("connection", socket) },
      tls,
      ...(options.registry !== undefined && { registry: options.registry }),
    },
    defer,
  );
  defer(async () => {
    http1.closeIdleConnections();
    for (const session of sessions) session.close();
    const deadlineAtMs = clock.nowMs() + flushMsMax;
    while (openCount > 0 && clock.nowMs() < deadlineAtMs) await sleep(clock, 10);
    for (const session of sessions) session.destroy();
    http1.closeAllConnections();
    await app.close();
  });
  return port;
}

type Handler = (request: NodeRequest, response: NodeResponse) => void;

/** CORS, then RPC by path, then the plain HTTP routes. */
function createHandler(
  options: EdgeOptions,
  plain: {
    readonly methodsOf: (path: string) => readonly string[];
    readonly answer: Handler;
  },
): Handler {
  const { config } = options;
  const answerCors = createCors(config.corsOrigins, plain.methodsOf);
  const answerRpc = createConnectHandler({
    ...options,
    role: "gateway",
    messageBytesMax: config.bodyBytesMax,
    compressBytesMin: config.compressBytesMin,
  });
  return (request, response) => {
    const isAnswered = answerCors(request, response) || answerRpc(request, response);
    if (!isAnswered) plain.answer(request, response);
  };
}

/** Closing an HTTP/2 server waits for its sessions, so somebody has to know them. */
function trackSessions(server: ReturnType<typeof createHttp2Server>): Set<ServerHttp2Session> {
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  return sessions;
}
