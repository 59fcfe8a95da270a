import type { Clock } from "../clock.js";
import type { MeshError } from "../errors.js";
import { getOrAdd, newMap } from "../get-or-add.js";
import { type CallContext, withTrace } from "../rpc/call.js";
import { httpStatusOf } from "../rpc/call-record.js";
import { codeNameOf } from "../rpc/code-name.js";
import type { AttributeListener, AttributeTeller, Facts } from "../tracing/span.js";
import type { CallInfo, HttpFacts, Interception, Interceptor } from "./interceptor.js";

/** Callers write names of themselves at any length. */
const userAgentCharactersMax = 256;

/** A call that is over. */
export interface EndedCall {
  readonly info: CallInfo;
  /** That of its handler: its trace is the call's own span, which ends when all have heard. */
  readonly context: CallContext;
  readonly error: MeshError | undefined;
  /** Both of the clock's `nowMs`. */
  readonly beganAtMs: number;
  readonly endMs: number;
}

/** Hears of every call when it has ended. */
export type CallObserver = (call: EndedCall) => void;

/**
 * One span a call, named after the method or route; what the handler begins becomes its children. The clock is read once
 * when a call begins and once when it ends, so that its span and what observers make of it agree.
 */
export function observeCalls(clock: Clock, observers: readonly CallObserver[]): Interceptor {
  const deps = { clock, observers };
  return (info, context) => {
    const beganAtMs = clock.nowMs();
    if (!context.trace.isRecording) return new ObservedCall(info, context, beganAtMs, deps);
    const kind = info.protocol === "local" ? "internal" : "server";
    const { role } = info;
    const trace = context.trace.begin(info.name, { kind, role, startMs: beganAtMs });
    const call = new ObservedCall(info, withTrace(context, trace), beganAtMs, deps);
    trace.describeBy(call);
    return call;
  };
}

interface ObservedCallDeps {
  readonly clock: Clock;
  readonly observers: readonly CallObserver[];
}

/** Knows its span's attributes, by the names of OpenTelemetry's RPC and HTTP conventions. */
class ObservedCall implements Interception, AttributeTeller, EndedCall {
  readonly info: CallInfo;
  readonly context: CallContext;
  readonly beganAtMs: number;
  endMs: number;
  error: MeshError | undefined;
  readonly #deps: ObservedCallDeps;

  constructor(info: CallInfo, context: CallContext, beganAtMs: number, deps: ObservedCallDeps) {
    this.info = info;
    this.context = context;
    this.beganAtMs = beganAtMs;
    this.endMs = beganAtMs;
    this.error = undefined;
    this.#deps = deps;
  }

  end(error?: MeshError): void {
    const { clock, observers } = this.#deps;
    this.endMs = clock.nowMs();
    this.error = error;
    for (const observe of observers) observe(this);
    this.context.trace.end(error, this.endMs);
  }

  tellAttributes(listener: AttributeListener): void {
    const { name, protocol, http } = this.info;
    // Where roles share a process, the call that came in has said it.
    if (protocol !== "local") listener.attribute("arrowmesh.request_id", this.context.requestId);
    if (protocol !== "http") {
      listener.facts(rpcFactsOf(name, protocol, codeNameOf(this.error)));
      return;
    }
    const facts = getOrAdd(routes, name, () => routeFactsOf(name));
    listener.facts(facts);
    if (http !== undefined) tellHttp(listener, http, facts["http.route"]);
    const status = httpStatusOf(this.error, this.context.callRecord);
    if (status !== undefined) listener.attribute("http.response.status_code", status);
  }
}

function tellHttp(
  listener: AttributeListener,
  { scheme, path, userAgent }: HttpFacts,
  route: unknown,
): void {
  listener.attribute("url.scheme", scheme);
  // Where a caller fills in the path, nobody knows what stands there: a key has been seen.
  if (path === route) listener.attribute("url.path", path);
  if (userAgent !== undefined) {
    listener.attribute("user_agent.original", userAgent.slice(0, userAgentCharactersMax));
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
