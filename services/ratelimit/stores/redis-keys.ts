import { createHash } from "node:crypto";

const prefix = "arrowmesh:limit:";

/**
 * The key of a counter in Redis. What stands last in a rule's key, which is whose counter it is, becomes the hash tag: in
 * a Redis Cluster the counters of one caller share a slot, so most decisions concern one.
 */
export function counterKeyOf(key: string): string {
  const ownerAt = key.lastIndexOf("|") + 1;
  const owner = key.slice(ownerAt);
  if (!isPlain(owner) || key.length > keyLengthMax) return `${prefix}{${hashOf(key)}}`;
  return `${prefix}{${owner}}${key.slice(0, ownerAt)}`;
}

/** The open reservations of a counter, in its slot. */
export function openKeyOf(counterKey: string): string {
  return `${counterKey}:open`;
}

/** The record of a reservation, in a slot that its id says. */
export function recordKeyOf(id: string): string {
  return `${prefix}{${plainId(id)}}:reservation`;
}

/** The id, or a hash of it where it is long or has what means something elsewhere. */
export function plainId(id: string): string {
  return isPlain(id) ? id : hashOf(id);
}

const keyLengthMax = 512;
const plain = /^[A-Za-z0-9_.:@/+=-]{1,64}$/;

function isPlain(text: string): boolean {
  return plain.test(text);
}

/** Of every code unit, so that texts differ here too that are no valid Unicode. Nothing plain begins with `#`. */
function hashOf(text: string): string {
  return `#${createHash("sha256").update(text, "utf16le").digest("base64url")}`;
}
