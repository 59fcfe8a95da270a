import { getOrAdd, newMap } from "../get-or-add.js";
import type { CallContext } from "../rpc/call.js";
import { httpStatusOf } from "../rpc/call-record.js";
import { codeNameOf } from "../rpc/code-name.js";
import type { Facts, Span } from "../tracing/span.js";
import type { CallInfo, Interceptor } from "./interceptor.js";

/** Callers write names of themselves at any length. */
const userAgentCharactersMax = 256;

/** One span a call, named after the method or route; what the handler begins becomes its children. */
export const traceCalls: Interceptor = (info, context) => {
  if (!context.trace.isRecording) return undefined;
  const kind = info.protocol === "local" ? "internal" : "server";
  const span = context.trace.begin(info.name, { kind, role: info.role });
  describe(span, info, context);
  return {
    context: { ...context, trace: span },
    end(error) {
      if (info.protocol === "http") {
        const status = httpStatusOf(error, context.callRecord);
        if (status !== undefined) span.set("http.response.status_code", status);
      } else {
        span.set("rpc.response.status_code", codeNameOf(error));
      }
      span.end(error);
    },
  };
};

/** Names of OpenTelemetry's RPC and HTTP conventions. */
function describe(span: Span, info: CallInfo, { requestId }: CallContext): void {
  const facts = factsOf(info);
  span.describe(facts);
  // Where roles share a process, the call that came in has said it.
  if (info.protocol !== "local") span.set("arrowmesh.request_id", requestId);
  if (info.http === undefined) return;
  const { scheme, path, userAgent } = info.http;
  span.set("url.scheme", scheme);
  // Where a caller fills in the path, nobody knows what stands there: a key has been seen.
  if (path === facts["http.route"]) span.set("url.path", path);
  if (userAgent !== undefined) {
    span.set("user_agent.original", userAgent.slice(0, userAgentCharactersMax));
  }
}

/** By name and protocol, of which there are as many as there are routes and methods. */
const known = new Map<string, Map<CallInfo["protocol"], Facts>>();

/** What all calls of a method or route have in common. */
function factsOf({ name, protocol }: CallInfo): Facts {
  const byProtocol = getOrAdd(known, name, newMap);
  return getOrAdd(byProtocol, protocol, () =>
    protocol === "http" ? routeFactsOf(name) : methodFactsOf(name, protocol),
  );
}

function routeFactsOf(name: string): Facts {
  const [method = "", route = ""] = name.split(" ");
  return { "http.request.method": method, "http.route": route };
}

function methodFactsOf(name: string, protocol: Exclude<CallInfo["protocol"], "http">): Facts {
  return { "rpc.system.name": rpcSystemOf[protocol], "rpc.method": name };
}

const rpcSystemOf: Readonly<Record<Exclude<CallInfo["protocol"], "http">, string>> = {
  grpc: "grpc",
  "grpc-web": "grpc",
  connect: "connectrpc",
  local: "local",
};
