import type { IncomingHttpHeaders } from "node:http";
import type { TextMapGetter } from "@opentelemetry/api";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Interceptor } from "./interceptors/interceptor.js";
import type { CallContext } from "./rpc/call.js";
import { dispatchUnary } from "./rpc/dispatch.js";
import type { OpenEntry } from "./rpc/entry.js";

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
    const name = `${request.method} ${request.routeOptions.url}`;
    const entry = openEntry({
      name,
      carrier: request.raw.headers,
      getter: headersGetter,
      clientIp: request.socket.remoteAddress,
      timeoutMs: undefined,
      isStream: false,
    });
    const { context } = entry;
    void reply.header("x-request-id", context.requestId);
    const leave = (): void => entry.cancel();
    reply.raw.once("close", leave);
    try {
      const info = { role, name, protocol: "http" } as const;
      return await dispatchUnary({ interceptors, info, context }, handle);
    } finally {
      reply.raw.off("close", leave);
      entry.close();
    }
  };
}

const headersGetter: TextMapGetter<IncomingHttpHeaders> = {
  keys: (headers) => Object.keys(headers),
  get: (headers, key) => headers[key],
};
