import { createHash } from "node:crypto";

/** The validator of an answer: the same for every encoding of the same bytes, hence weak (RFC 9110, 8.8.1). */
export function entityTagOf(body: string | Uint8Array): string {
  return `W/"${createHash("sha256").update(body).digest("base64url").slice(0, 27)}"`;
}

/** Whether a caller has this answer already, by its `If-None-Match` (RFC 9110, 13.1.2). */
export function hasEntity(ifNoneMatch: string | undefined, entityTag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  const opaque = (tag: string): string => tag.trim().replace(/^W\//, "");
  return ifNoneMatch.split(",").some((tag) => opaque(tag) === opaque(entityTag));
}

/** May be kept by the caller alone, who asks before each use whether it still holds. */
export const revalidate = "private, no-cache";
