import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { acceptedCoding, compress } from "../../../lib/compression.js";
import { entityTagOf, hasEntity, revalidate } from "../../../lib/validator.js";
import { addVary } from "../../../lib/vary.js";

/**
 * What GET answers may be kept by the caller, who asks each time whether it still holds and gets no body if so.
 * A route that sets Cache-Control itself has decided otherwise.
 */
export function validateAnswers(app: FastifyInstance): void {
  app.addHook("onSend", (request, reply, payload, done) => {
    if (!isKept(request, reply) || !isBytes(payload)) return done();
    const entityTag = entityTagOf(payload);
    void reply.header("etag", entityTag).header("cache-control", revalidate);
    addVary(reply.raw, "Accept-Encoding");
    if (!hasEntity(request.headers["if-none-match"], entityTag)) return done();
    void reply.code(304).removeHeader("content-type").removeHeader("content-length");
    done(null, null);
  });
}

/** State of this moment: nobody may show it later. */
const momentary = new Set(["/health", "/ready", "/metrics"]);

function isKept(request: FastifyRequest, reply: FastifyReply): boolean {
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead || reply.statusCode !== 200) return false;
  return !momentary.has(request.routeOptions.url ?? "") && !reply.hasHeader("cache-control");
}

/** Answers of some size are compressed for who accepts that; small ones cost a comparison. */
export function compressAnswers(app: FastifyInstance, bytesMin: number): void {
  app.addHook("onSend", (request, reply, payload, done) => {
    if (!isBytes(payload) || payload.length < bytesMin || reply.hasHeader("content-encoding")) {
      return done();
    }
    addVary(reply.raw, "Accept-Encoding");
    const coding = acceptedCoding(headerOf(request));
    if (coding === undefined) return done();
    compress(coding, payload).then((bytes) => {
      void reply.header("content-encoding", coding).removeHeader("content-length");
      done(null, bytes);
    }, done);
  });
}

function headerOf(request: FastifyRequest): string | undefined {
  const header = request.headers["accept-encoding"];
  return Array.isArray(header) ? header.join(",") : header;
}

function isBytes(payload: unknown): payload is string | Uint8Array {
  return typeof payload === "string" || payload instanceof Uint8Array;
}
