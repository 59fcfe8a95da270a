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
import { type AnyHandler, type Binding, fullName, isStream } from "./call.js";
import { dispatchStream, dispatchUnary } from "./dispatch.js";
import type { Entry, OpenEntry } from "./entry.js";
import { toDetails } from "./status.js";

/** Where the server puts the address of the client, which Connect does not hand to handlers. */
export const clientIpKey = createContextKey<string | undefined>(undefined);

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
    return async (request, connect) => {
      const entry = enter(method, connect, options.openEntry);
      try {
        return await dispatchUnary(callOf(connect, entry), (inner) => handler(request, inner));
      } catch (thrown) {
        throw toConnectError(toMeshError(thrown), entry.context.requestId);
      } finally {
        entry.close();
      }
    };
  }
  return async function* (request, connect) {
    const entry = enter(method, connect, options.openEntry);
    try {
      yield* dispatchStream(
        callOf(connect, entry),
        // `bind` has checked that a streaming method has a handler that returns an iterable.
        (inner) => handler(request, inner) as AsyncIterable<unknown>,
      );
    } catch (thrown) {
      throw toConnectError(toMeshError(thrown), entry.context.requestId);
    } finally {
      entry.close();
    }
  };
}

const protocols: Readonly<Record<string, CallInfo["protocol"]>> = {
  connect: "connect",
  grpc: "grpc",
  "grpc-web": "grpc-web",
};

function enter(method: DescMethod, connect: HandlerContext, openEntry: OpenEntry): Entry {
  const entry = openEntry({
    carrier: connect.requestHeader,
    getter: headersGetter,
    clientIp: connect.values.get(clientIpKey),
    timeoutMs: connect.timeoutMs(),
    isStream: isStream(method),
  });
  connect.responseHeader.set("x-request-id", entry.context.requestId);
  // Connect aborts for its own deadline too; the entry has the same one and names it better.
  connect.signal.addEventListener("abort", () => {
    const { reason } = connect.signal;
    if (!(reason instanceof ConnectError && reason.code === Code.DeadlineExceeded)) entry.cancel();
  });
  return { ...entry, context: { ...entry.context, answerHeaders: connect.responseHeader } };
}

const headersGetter: TextMapGetter<Headers> = {
  keys: (headers) => [...headers.keys()],
  get: (headers, key) => headers.get(key) ?? undefined,
};

function toConnectError(error: MeshError, requestId: string): ConnectError {
  const headers: Record<string, string> = { "x-request-id": requestId };
  if (error.details.retryAfterMs !== undefined) {
    headers["retry-after"] = String(Math.ceil(error.details.retryAfterMs / 1000));
  }
  const details = toDetails(error, requestId).map(({ schema, message }) => ({
    desc: schema,
    value: message,
  }));
  return new ConnectError(error.message, answerOf[error.fault].code, headers, details, error);
}
