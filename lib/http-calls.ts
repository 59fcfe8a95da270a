import type { IncomingHttpHeaders } from "node:http";
import type { TextMapGetter } from "@opentelemetry/api";
import type { FastifyReply, FastifyRequest } from "fastify";
import { getOrAdd, newMap } from "./get-or-add.js";
import type { HttpFacts, Interceptor } from "./interceptors/interceptor.js";
import { pathOf } from "./path-of.js";
import type { CallContext } from "./rpc/call.js";
import { dispatchUnary } from "./rpc/dispatch.js";
import { type OpenEntry, tellIds } from "./rpc/entry.js";

/**
 * Runs a plain HTTP request as a call: traced, logged, counted, ended with its deadline or its caller. Rejects with a
 * MeshError.
 */
export type RunHttpCall = <T>(
  exchange: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  handle: (context: CallContext) => Promise<T>,
) => Promise<T>;

export function createRunHttpCall(deps: {
  readonly role: string;
  readonly openEntry: OpenEntry;
  readonly interceptors: readonly Interceptor[];
}): RunHttpCall {
  const { role, openEntry, interceptors } = deps;
  return async ({ request, reply }, handle) => {
    const name = callNameOf(request.method, request.routeOptions.url ?? "");
    const entry = openEntry({
      name,
      carrier: request.raw.headers,
      getter: headersGetter,
      clientIp: request.socket.remoteAddress,
      timeoutMs: undefined,
      isStream: false,
    });
    const { context } = entry;
    tellIds(context, (header, value) => void reply.header(header, value));
    const leave = (): void => entry.cancel();
    reply.raw.once("close", leave);
    try {
      const info = { role, name, protocol: "http", http: httpFactsOf(request) } as const;
      return await dispatchUnary({ interceptors, info, context }, async (inner) => {
        const result = await handle(inner);
        if (inner.callRecord !== undefined) inner.callRecord.httpStatus = reply.statusCode;
        return result;
      });
    } finally {
      reply.raw.off("close", leave);
      entry.close();
    }
  };
}

const callNames = new Map<string, Map<string, string>>();

/** `METHOD ROUTE`, always the same string: maps need not read it anew, as they must one that was just put together. */
export function callNameOf(method: string, route: string): string {
  const ofRoute = getOrAdd(callNames, route, newMap);
  return getOrAdd(ofRoute, method, () => `${method} ${route}`);
}

/** What is told of a request besides its route. */
export function httpFactsOf({ protocol, url, headers }: FastifyRequest): HttpFacts {
  return { scheme: protocol, path: pathOf(url), userAgent: headers["user-agent"] };
}

export const headersGetter: TextMapGetter<IncomingHttpHeaders> = {
  keys: (headers) => Object.keys(headers),
  get: (headers, key) => headers[key],
};
