import { cors } from "@connectrpc/connect";
import type { connectNodeAdapter } from "@connectrpc/connect-node";

type Handler = ReturnType<typeof connectNodeAdapter>;

const allowedHeaders = [
  ...cors.allowedHeaders,
  "Authorization",
  "X-Request-Id",
  "traceparent",
  "tracestate",
  "Inference-Header-Content-Length",
].join(", ");
const exposedHeaders = [
  ...cors.exposedHeaders,
  "X-Request-Id",
  "Retry-After",
  "Inference-Header-Content-Length",
].join(", ");
const loopback = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/**
 * Lets web pages of the configured origins call every route (Fetch standard, CORS protocol). The default is pages
 * of this machine: a server without authentication must not answer to any page its user happens to visit.
 * Returns whether the request was a preflight, which is then answered.
 */
export function createCors(
  origins: readonly string[],
  methodsOf: (path: string) => readonly string[],
): (...exchange: Parameters<Handler>) => boolean {
  const isAllowed = createOriginCheck(origins);

  return (request, response) => {
    const { origin } = request.headers;
    const isPreflight = request.method === "OPTIONS";
    if (origin !== undefined) response.setHeader("vary", "Origin");
    if (origin !== undefined && isAllowed(origin)) allow(origin, response, isPreflight);
    if (!isPreflight) return false;
    const methods = methodsOf(request.url?.split("?")[0] ?? "/");
    if (methods.length > 0) response.setHeader("allow", methods.join(","));
    // Any OPTIONS is taken for a preflight, and its status says nothing, as in text-embeddings-inference.
    response.statusCode = 200;
    response.end();
    return true;
  };
}

function allow(origin: string, response: Parameters<Handler>[1], isPreflight: boolean): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", exposedHeaders);
  if (!isPreflight) return;
  response.setHeader("access-control-allow-methods", cors.allowedMethods.join(", "));
  response.setHeader("access-control-allow-headers", allowedHeaders);
  response.setHeader("access-control-max-age", "7200");
}

/** Whether pages of an origin may call. Routes that change something ask it themselves: CORS only hides answers. */
export function createOriginCheck(origins: readonly string[]): (origin: string) => boolean {
  return (origin) =>
    origins.includes("*") ||
    origins.includes(origin) ||
    (origins.includes("loopback") && loopback.test(origin));
}
