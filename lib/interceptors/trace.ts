import type { MeshError } from "../errors.js";
import { getOrAdd, newMap } from "../get-or-add.js";
import type { CallContext } from "../rpc/call.js";
import { httpStatusOf } from "../rpc/call-record.js";
import { codeNameOf } from "../rpc/code-name.js";
import type { Facts, Span } from "../tracing/span.js";
import type { CallInfo, Interception, Interceptor } from "./interceptor.js";

/** Callers write names of themselves at any length. */
const userAgentCharactersMax = 256;

/** One span a call, named after the method or route; what the handler begins becomes its children. */
export const traceCalls: Interceptor = (info, context) => {
  if (!context.trace.isRecording) return undefined;
  const kind = info.protocol === "local" ? "internal" : "server";
  const span = context.trace.begin(info.name, { kind, role: info.role });
  describe(span, info, context);
  return new TracedCall(info, { ...context, trace: span });
};

class TracedCall implements Interception {
  readonly context: CallContext;
  readonly #info: CallInfo;

  constructor(info: CallInfo, context: CallContext) {
    this.context = context;
    this.#info = info;
  }

  end(error?: MeshError): void {
    const { trace: span, callRecord } = this.context;
    const { name, protocol } = this.#info;
    if (protocol === "http") {
      const status = httpStatusOf(error, callRecord);
      if (status !== undefined) span.set("http.response.status_code", status);
    } else {
      span.describe(rpcFactsOf(name, protocol, codeNameOf(error)));
    }
    span.end(error);
  }
}

/** Names of OpenTelemetry's RPC and HTTP conventions. */
function describe(
  span: Span,
  { name, protocol, http }: CallInfo,
  { requestId }: CallContext,
): void {
  // Where roles share a process, the call that came in has said it.
  if (protocol !== "local") span.set("arrowmesh.request_id", requestId);
  if (http === undefined) return;
  const facts = getOrAdd(routes, name, () => routeFactsOf(name));
  span.describe(facts);
  const { scheme, path, userAgent } = http;
  span.set("url.scheme", scheme);
  // Where a caller fills in the path, nobody knows what stands there: a key has been seen.
  if (path === facts["http.route"]) span.set("url.path", path);
  if (userAgent !== undefined) {
    span.set("user_agent.original", userAgent.slice(0, userAgentCharactersMax));
  }
}

/** By name. */
const routes = new Map<string, Facts>();

/** What all calls of a route have in common. */
function routeFactsOf(name: string): Facts {
  const [method = "", route = ""] = name.split(" ");
  return { "http.request.method": method, "http.route": route };
}

type RpcProtocol = Exclude<CallInfo["protocol"], "http">;

/** By method, protocol and status. */
const methods = new Map<string, Map<RpcProtocol, Map<string, Facts>>>();

/** What all calls of a method that end alike have in common. */
function rpcFactsOf(method: string, protocol: RpcProtocol, status: string): Facts {
  const byProtocol = getOrAdd(methods, method, newMap);
  return getOrAdd(getOrAdd(byProtocol, protocol, newMap), status, () => ({
    "rpc.system.name": rpcSystemOf[protocol],
    "rpc.method": method,
    "rpc.response.status_code": status,
  }));
}

const rpcSystemOf: Readonly<Record<RpcProtocol, string>> = {
  grpc: "grpc",
  "grpc-web": "grpc",
  connect: "connectrpc",
  local: "local",
};
