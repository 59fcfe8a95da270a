import { createHash } from "node:crypto";
import type { Quota } from "../algorithms/quota.js";

/** Longer parts are hashed, so that a key is short whatever a caller sends. */
const partLengthMax = 64;
const separator = "|";

/**
 * What the keys of one rule begin with: everything but who is counted. `separator` stands in no part, and nothing else
 * can come between two parts, so different parts never make the same key.
 */
export function keyPrefixOf(names: readonly string[], quota: Quota): string {
  return [...names.map(keyPart), signatureOf(quota)].join(separator);
}

/** A key with one more part. */
export function extendKey(key: string, part: string): string {
  return key + separator + keyPart(part);
}

/** The text itself where it is short and plain; else `#` and its SHA-256, which no plain text begins with. */
function keyPart(text: string): string {
  return isPlain(text) ? text : `#${createHash("sha256").update(text).digest("base64url")}`;
}

/** Printable ASCII without what means something in a key: the separator, the mark of a hash, Redis's hash tags. */
function isPlain(text: string): boolean {
  if (text.length > partLengthMax) return false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code > 0x7e || isReserved(code)) return false;
  }
  return true;
}

/** `|`, `#`, `{` and `}`. */
function isReserved(code: number): boolean {
  return code === 0x7c || code === 0x23 || code === 0x7b || code === 0x7d;
}

function signatureOf(quota: Quota): string {
  switch (quota.algorithm) {
    case "token_bucket":
      return `tb ${quota.perWindow}/${quota.windowMs}+${quota.burst}`;
    case "sliding_window":
      return `sw ${quota.units}/${quota.windowMs}`;
    case "fixed_window":
      return `fw ${quota.units}/${quota.windowMs}`;
    case "concurrency":
      return `cs ${quota.slots}`;
  }
}
