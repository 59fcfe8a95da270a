import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  createContextValues,
} from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { Clock } from "../clock.js";
import { compress } from "../compression.js";
import type { NodeRequest, NodeResponse } from "../exchange.js";
import { beginCall, type CallInfo, type Interceptor } from "../interceptors/interceptor.js";
import { pathOf } from "../path-of.js";
import { untilReceived } from "../unread-body.js";
import { entityTagOf, hasEntity, revalidate } from "../validator.js";
import { addVary } from "../vary.js";
import { type Binding, fullName } from "./call.js";
import { addConnectRoutes, arrivalKey, headersGetter } from "./connect-routes.js";
import { type OpenEntry, tellIds } from "./entry.js";
import { readRefusal } from "./refusal.js";

export interface ConnectHandlerOptions {
  readonly role: string;
  readonly clock: Clock;
  readonly openEntry: OpenEntry;
  readonly bindings: readonly {
    readonly binding: Binding;
    readonly interceptors: readonly Interceptor[];
  }[];
  /** For services that are written in Connect's own terms. */
  readonly addRpcRoutes?: (router: ConnectRouter) => void;
  readonly messageBytesMax: number;
  readonly compressBytesMin: number;
}

/** Answers Connect, gRPC and gRPC-Web, over HTTP/1.1 and HTTP/2; returns false when the path is not a method's. */
export function createConnectHandler(
  options: ConnectHandlerOptions,
): (request: NodeRequest, response: NodeResponse) => boolean {
  const router = createConnectRouter(routerOptions(options));
  const interceptorsOf = new Map<string, readonly Interceptor[]>();
  for (const { binding, interceptors } of options.bindings) {
    addConnectRoutes(router, binding, { ...options, interceptors });
    interceptorsOf.set(binding.service.typeName, interceptors);
  }
  options.addRpcRoutes?.(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const handler = handlers.get(pathOf(request.url ?? ""));
    if (handler === undefined) return false;
    const interceptors = interceptorsOf.get(handler.service.typeName) ?? [];
    answer({ ...options, handler, interceptors, request, response }).catch(() => {
      // Either the caller is gone or the answer half written, and nothing else can be said on this connection;
      // or the Host of the request makes no URL.
      if (response.headersSent) response.destroy();
      else response.writeHead(400).end();
    });
    return true;
  };
}

function routerOptions({
  messageBytesMax,
  compressBytesMin,
}: ConnectHandlerOptions): ConnectRouterOptions {
  return {
    readMaxBytes: messageBytesMax,
    compressMinBytes: compressBytesMin,
    acceptCompression: [
      { ...compressionGzip, compress: async (bytes) => plain(await compress("gzip", bytes)) },
      { ...compressionBrotli, compress: async (bytes) => plain(await compress("br", bytes)) },
    ],
  };
}

/** zlib allocates its results as ArrayBuffers, which the type of Buffer leaves open. */
function plain(bytes: Buffer): Uint8Array<ArrayBuffer> {
  return bytes as Buffer<ArrayBuffer>;
}

interface Exchange {
  readonly role: string;
  readonly clock: Clock;
  readonly openEntry: OpenEntry;
  readonly handler: UniversalHandler;
  readonly interceptors: readonly Interceptor[];
  readonly request: NodeRequest;
  readonly response: NodeResponse;
}

async function answer(exchange: Exchange): Promise<void> {
  const { handler, request, response } = exchange;
  const arrival = { clientIp: request.socket.remoteAddress, hasBegun: false };
  const values = createContextValues().set(arrivalKey, arrival);
  const universal = universalRequestFromNodeRequest(request, response, undefined, values);
  let answered = await handler({ ...universal, body: readToTheEnd(exchange) });
  if (!arrival.hasBegun) answered = noteRefusal(exchange, answered, universal.header);
  if (request.method === "GET") answered = await validated(answered, exchange);
  await universalResponseToNodeResponse(answered, response);
}

/**
 * The chunks of a body. Node's own iterator ends the connection when its reader stops early, say at a message that is too
 * large, and the answer that says why is lost on the way. Here the rest comes in unread, and before the answer where the
 * caller has one message to send: connect-go ends its body at the first sign of an answer, and nghttp2 then resets the
 * stream because fewer bytes have come than were announced.
 */
function readToTheEnd({ handler, request, clock }: Exchange): AsyncIterable<Uint8Array> {
  const { methodKind } = handler.method;
  const isOneMessage = methodKind === "unary" || methodKind === "server_streaming";
  return {
    [Symbol.asyncIterator]() {
      const chunks = request.iterator({ destroyOnReturn: false });
      return {
        next: () => chunks.next(),
        async return() {
          await chunks.return?.();
          if (isOneMessage) await untilReceived(request, clock);
          else request.resume();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** What Connect refuses before a method runs is a call too: it is traced, logged and counted like any other. */
function noteRefusal(
  { role, openEntry, handler, interceptors, request }: Exchange,
  answered: UniversalServerResponse,
  header: Headers,
): UniversalServerResponse {
  const name = fullName(handler.method);
  const entry = openEntry({
    name,
    carrier: header,
    getter: headersGetter,
    clientIp: request.socket.remoteAddress,
    timeoutMs: undefined,
    isStream: false,
  });
  // A copy: some refusals are constants of Connect.
  const answerHeader = new Headers(answered.header);
  tellIds(entry.context, (header, value) => answerHeader.set(header, value));
  const protocol = protocolOf(header.get("content-type") ?? "");
  const authorization = header.get("authorization") ?? undefined;
  const info: CallInfo = { role, name, protocol, authorization };
  return readRefusal({ ...answered, header: answerHeader }, (refusal) => {
    entry.close();
    try {
      beginCall(interceptors, info, entry.context).end(refusal);
    } catch {
      // An interceptor refused the call as well, and has told the others so.
    }
  });
}

function protocolOf(contentType: string): CallInfo["protocol"] {
  if (contentType.startsWith("application/grpc-web")) return "grpc-web";
  return contentType.startsWith("application/grpc") ? "grpc" : "connect";
}

/** Answers of GET may be kept; who has this one already gets no body. */
async function validated(
  answered: UniversalServerResponse,
  { request, response }: Exchange,
): Promise<UniversalServerResponse> {
  addVary(response, "Accept-Encoding");
  if (answered.status !== 200 || answered.body === undefined) return answered;
  const chunks: Uint8Array[] = [];
  for await (const chunk of answered.body) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const header = new Headers(answered.header);
  const entityTag = entityTagOf(body);
  header.set("etag", entityTag);
  if (!header.has("cache-control")) header.set("cache-control", revalidate);
  if (!hasEntity(request.headers["if-none-match"], entityTag)) {
    return { ...answered, header, body: once(body) };
  }
  for (const name of ["content-type", "content-length", "content-encoding"]) header.delete(name);
  return { status: 304, header };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
