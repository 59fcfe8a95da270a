import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextKey,
  type HandlerContext,
} from "@connectrpc/connect";
import type { TextMapGetter } from "@opentelemetry/api";
import { answerOf, type MeshError, toMeshError } from "../errors.js";
import type { CallInfo, Interceptor } from "../interceptors/interceptor.js";
import { nextTurn } from "../next-turn.js";
import { tellLimits } from "../rate-limit-headers.js";
import { type AnyHandler, type Binding, type CallContext, fullName, isStream } from "./call.js";
import { dispatchStream, dispatchUnary } from "./dispatch.js";
import { type Entry, type OpenEntry, tellIds } from "./entry.js";
import { toRefusal } from "./refusal.js";
import { toDetails } from "./status.js";

/** A request before Connect has read it, and whether it has come as far as a method. */
export interface ConnectArrival {
  readonly clientIp: string | undefined;
  hasBegun: boolean;
}

/** Where the server puts what Connect does not hand to handlers. */
export const arrivalKey = createContextKey<ConnectArrival>({
  clientIp: undefined,
  hasBegun: false,
});

export interface ConnectOptions {
  readonly role: string;
  readonly openEntry: OpenEntry;
}

/** Answers a generated service over Connect, gRPC and gRPC-Web. */
export function addConnectRoutes(
  router: ConnectRouter,
  { service, handlers }: Binding,
  options: ConnectOptions & { readonly interceptors: readonly Interceptor[] },
): void {
  const implementation = service.methods.map((method) => {
    const handler = handlers[method.localName];
    if (handler === undefined) throw new Error(`${fullName(method)} has no handler`);
    return [method.localName, serveMethod(method, handler, options)];
  });
  router.service(service, Object.fromEntries(implementation));
}

function serveMethod(
  method: DescMethod,
  handler: AnyHandler,
  options: ConnectOptions & { readonly interceptors: readonly Interceptor[] },
): (request: unknown, context: HandlerContext) => unknown {
  const { interceptors } = options;
  const callOf = (connect: HandlerContext, { context }: Entry) => {
    const protocol = protocols[connect.protocolName] ?? "connect";
    const authorization = connect.requestHeader.get("authorization") ?? undefined;
    const name = fullName(method);
    const info: CallInfo = { role: options.role, name, protocol, authorization };
    return { interceptors, info, context };
  };
  if (method.methodKind === "unary" || method.methodKind === "client_streaming") {
    return async (given, connect) => {
      const entry = enter(method, connect, options.openEntry);
      const request = receive(method, given);
      try {
        await nextTurn();
        return await dispatchUnary(callOf(connect, entry), (inner) => handler(request, inner));
      } catch (thrown) {
        throw toConnectError(toMeshError(thrown), entry.context);
      } finally {
        // Before the headers go out, of a refusal too. Those of a stream are gone by then.
        tellLimits(entry.context.callRecord?.limits, (name, value) =>
          connect.responseHeader.set(name, value),
        );
        entry.close();
      }
    };
  }
  return async function* (given, connect) {
    const entry = enter(method, connect, options.openEntry);
    const request = receive(method, given);
    try {
      yield* dispatchStream(
        callOf(connect, entry),
        // `bind` has checked that a streaming method has a handler that returns an iterable.
        (inner) => handler(request, inner) as AsyncIterable<unknown>,
      );
    } catch (thrown) {
      throw toConnectError(toMeshError(thrown), entry.context);
    } finally {
      entry.close();
    }
  };
}

/** One message, or a stream of them whose failures are the caller's: too large, not readable, left. */
function receive({ methodKind }: DescMethod, given: unknown): unknown {
  const isOneMessage = methodKind === "unary" || methodKind === "server_streaming";
  // Connect gives an iterable to methods that receive a stream.
  return isOneMessage ? given : readStream(given as AsyncIterable<unknown>);
}

async function* readStream(messages: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  try {
    yield* messages;
  } catch (thrown) {
    throw thrown instanceof ConnectError ? toRefusal(thrown) : thrown;
  }
}

const protocols: Readonly<Record<string, CallInfo["protocol"]>> = {
  connect: "connect",
  grpc: "grpc",
  "grpc-web": "grpc-web",
};

function enter(method: DescMethod, connect: HandlerContext, openEntry: OpenEntry): Entry {
  const arrival = connect.values.get(arrivalKey);
  arrival.hasBegun = true;
  const entry = openEntry({
    name: fullName(method),
    carrier: connect.requestHeader,
    getter: headersGetter,
    clientIp: arrival.clientIp,
    timeoutMs: connect.timeoutMs(),
    isStream: isStream(method),
  });
  tellIds(entry.context, (header, value) => connect.responseHeader.set(header, value));
  // Connect aborts for its own deadline too; the entry has the same one and names it better.
  connect.signal.addEventListener("abort", () => {
    const { reason } = connect.signal;
    if (!(reason instanceof ConnectError && reason.code === Code.DeadlineExceeded)) entry.cancel();
  });
  return { ...entry, context: { ...entry.context, answerHeaders: connect.responseHeader } };
}

/** Reads a trace parent or a request id out of headers. */
export const headersGetter: TextMapGetter<Headers> = {
  keys: (headers) => [...headers.keys()],
  get: (headers, key) => headers.get(key) ?? undefined,
};

function toConnectError(error: MeshError, context: CallContext): ConnectError {
  const headers: Record<string, string> = {};
  tellIds(context, (header, value) => {
    headers[header] = value;
  });
  if (error.details.retryAfterMs !== undefined) {
    headers["retry-after"] = String(Math.ceil(error.details.retryAfterMs / 1000));
  }
  const details = toDetails(error, context.requestId).map(({ schema, message }) => ({
    desc: schema,
    value: message,
  }));
  return new ConnectError(error.message, answerOf[error.fault].code, headers, details, error);
}
