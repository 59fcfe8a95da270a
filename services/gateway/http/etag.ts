import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";

/** Bytes that do not change while the process lives. */
export interface FixedAnswer {
  readonly type: string;
  readonly bytes: Buffer;
  readonly etag: string;
}

export function fixedAnswer(type: string, content: string | Buffer): FixedAnswer {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  const etag = `"${createHash("sha256").update(bytes).digest("base64url")}"`;
  return { type, bytes, etag };
}

/** The bytes, or 304 to who has them (RFC 9110, If-None-Match). A cache has to ask, because a new release may differ. */
export function sendFixed(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, bytes, etag }: FixedAnswer,
): FastifyReply {
  void reply.header("etag", etag).header("cache-control", "no-cache");
  const known = request.headers["if-none-match"]?.split(",").map((tag) => tag.trim()) ?? [];
  const isKnown = known.some((tag) => tag === "*" || tag.replace(/^W\//, "") === etag);
  return isKnown ? reply.code(304).send() : reply.type(type).send(bytes);
}
