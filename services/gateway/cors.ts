import { cors } from "@connectrpc/connect";
import type { NodeRequest, NodeResponse } from "../../lib/exchange.js";
import { pathOf } from "../../lib/path-of.js";
import { addVary } from "../../lib/vary.js";

const allowedMethods = cors.allowedMethods.join(", ");
const allowedHeaders = [
  ...cors.allowedHeaders,
  "Authorization",
  "X-Api-Key",
  "X-Request-Id",
  "X-Arrowmesh-User",
  "traceparent",
  "tracestate",
  "uber-trace-id",
  "baggage",
  "Priority",
  "Content-Encoding",
  "If-None-Match",
  "Inference-Header-Content-Length",
  // What the openai SDK sends from a page.
  "OpenAI-Organization",
  "OpenAI-Project",
  "X-Stainless-Arch",
  "X-Stainless-Lang",
  "X-Stainless-OS",
  "X-Stainless-Package-Version",
  "X-Stainless-Retry-Count",
  "X-Stainless-Runtime",
  "X-Stainless-Runtime-Version",
  "X-Stainless-Timeout",
].join(", ");
const exposedHeaders = [
  ...cors.exposedHeaders,
  "ETag",
  "Retry-After",
  "Retry-After-Ms",
  "RateLimit",
  "RateLimit-Policy",
  "WWW-Authenticate",
  "X-Request-Id",
  "X-Trace-Id",
  "X-RateLimit-Degraded",
  "X-RateLimit-Limit-Requests",
  "X-RateLimit-Limit-Tokens",
  "X-RateLimit-Remaining-Requests",
  "X-RateLimit-Remaining-Tokens",
  "X-RateLimit-Reset-Requests",
  "X-RateLimit-Reset-Tokens",
  "X-Should-Retry",
  "OpenAI-Processing-Ms",
  "X-Compute-Type",
  "X-Compute-Time",
  "X-Compute-Characters",
  "X-Compute-Tokens",
  "X-Total-Time",
  "X-Tokenization-Time",
  "X-Queue-Time",
  "X-Inference-Time",
  "Inference-Header-Content-Length",
].join(", ");
const preflightSecondsMax = 7_200;
const loopback = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/**
 * Lets web pages of the configured origins call every route (Fetch standard, CORS protocol). The default is pages
 * of this machine: a server without authentication must not answer to any page its user happens to visit.
 * Returns whether the request was a preflight, which is then answered.
 */
export function createCors(
  origins: readonly string[],
  methodsOf: (path: string) => readonly string[],
): (request: NodeRequest, response: NodeResponse) => boolean {
  const isAllowed = createOriginCheck(origins);

  return (request, response) => {
    const { method, headers } = request;
    const { origin } = headers;
    const isPreflight = method === "OPTIONS";
    // An answer that a browser keeps for a page of no origin must not be shown to one that has an origin.
    if (method === "GET" || method === "HEAD" || origin !== undefined) addVary(response, "Origin");
    if (origin !== undefined && isAllowed(origin)) allow(origin, response, isPreflight);
    if (!isPreflight) return false;
    const methods = methodsOf(pathOf(request.url ?? "/"));
    if (methods.length > 0) response.setHeader("allow", methods.join(","));
    // Any OPTIONS is taken for a preflight, and its status says nothing, as in text-embeddings-inference.
    response.statusCode = 200;
    response.end();
    return true;
  };
}

function allow(origin: string, response: NodeResponse, isPreflight: boolean): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", exposedHeaders);
  if (!isPreflight) return;
  response.setHeader("access-control-allow-methods", allowedMethods);
  response.setHeader("access-control-allow-headers", allowedHeaders);
  response.setHeader("access-control-max-age", preflightSecondsMax);
}

/** Whether pages of an origin may call. Routes that change something ask it themselves: CORS only hides answers. */
export function createOriginCheck(origins: readonly string[]): (origin: string) => boolean {
  return (origin) =>
    origins.includes("*") ||
    origins.includes(origin) ||
    (origins.includes("loopback") && loopback.test(origin));
}
