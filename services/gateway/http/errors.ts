import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { answerOf, type Fault, MeshError, toMeshError } from "../../../lib/errors.js";
import { pathOf } from "../../../lib/path-of.js";

/** A failure of a route that answers in no other shape, as text-embeddings-inference writes it. */
export const plainError = z
  .object({ error: z.string(), error_type: z.string(), request_id: z.string() })
  .meta({ id: "Error" });

/** Failures of routes that answer in no other shape become JSON. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((thrown, request, reply) => sendError(toFault(thrown), request, reply));
  // Refused here, before Fastify would read the body and find fault with that instead.
  app.addHook("onRequest", (request, reply, done) => {
    if (!request.is404) return done();
    const path = pathOf(request.url);
    const allowed = methodsOf(app, path);
    if (allowed.length === 0) return done(new MeshError("not_found", `no route ${path}`));
    void reply.header("allow", allowed.join(","));
    done(new MeshError("wrong_method", `${request.method} is not allowed here`));
  });
}

/** The methods of a path, in the order in which axum names them. */
export function methodsOf(app: FastifyInstance, path: string): readonly string[] {
  return methods.filter((method) => app.hasRoute({ method, url: path }));
}

const methods = ["POST", "GET", "HEAD", "PUT", "DELETE"] as const;

/** Errors of Fastify itself, before a handler runs. */
const faultOfCode: Readonly<Record<string, Fault>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "too_large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported_media_type",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "malformed",
  FST_ERR_BAD_URL: "malformed",
};

/** What axum says of them, which clients of text-embeddings-inference know. */
export const wordsOf = {
  too_large: "Failed to buffer the request body: length limit exceeded",
  unsupported_media_type: "Expected request with `Content-Type: application/json`",
} as const;

/** What Fastify or a handler threw, in the domain's words. */
export function toFault(thrown: unknown): MeshError {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const fault = faultOfCode[code];
  if (fault === undefined || !(thrown instanceof Error)) return toMeshError(thrown);
  return new MeshError(
    fault,
    fault in wordsOf ? wordsOf[fault as keyof typeof wordsOf] : thrown.message,
  );
}

function sendError(error: MeshError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { message, fault } = error;
  const answer = answerOf[fault];
  const request_id = beginError(error, request, reply);
  return reply
    .code(answer.httpStatus)
    .send({ error: message, error_type: answer.errorType, request_id });
}

/** What every answer to a failure needs, whatever its body; returns the id of the request. */
export function beginError(error: MeshError, request: FastifyRequest, reply: FastifyReply): string {
  const { fault, details } = error;
  request.fault = error;
  if (details.retryAfterMs !== undefined) {
    void reply.header("retry-after", Math.ceil(details.retryAfterMs / 1000));
  }
  // A connection closed while its body still arrives is reset, often before the caller has read why: let it all come,
  // unread, within the server's time for a request.
  if (fault === "too_large" && request.raw.httpVersionMajor === 1) {
    void reply.removeHeader("connection");
    request.raw.resume();
  }
  if (fault === "unauthenticated") void reply.header("www-authenticate", "Bearer");
  const requestId = request.call?.context.requestId ?? randomUUID();
  void reply.header("x-request-id", requestId);
  return requestId;
}
