import { isUtf8 } from "node:buffer";
import { MeshError } from "../../../lib/errors.js";
import { isTooDeep, jsonDepthMax } from "./json-depth.js";

/** A body as JSON, or the caller's mistake. What JSON.parse would not notice is one too: bytes or escapes that are no text. */
export function parseJson(bytes: Buffer): unknown {
  try {
    if (!isUtf8(bytes)) throw new SyntaxError("the body is not UTF-8");
    if (isTooDeep(bytes)) throw new SyntaxError(`more than ${jsonDepthMax} lists in each other`);
    const text = bytes.toString("utf8");
    return JSON.parse(text, surrogateEscape.test(text) ? requireText : undefined);
  } catch (cause) {
    throw malformed(cause instanceof SyntaxError ? cause.message : "not JSON");
  }
}

export function malformed(reason: string): MeshError {
  return new MeshError("malformed", `Failed to parse the request body as JSON: ${reason}`);
}

/** Rare, so that few bodies are looked at value by value. */
const surrogateEscape = /\\u[dD][89a-fA-F]/;

function requireText(key: string, value: unknown): unknown {
  const isText = key.isWellFormed() && (typeof value !== "string" || value.isWellFormed());
  if (!isText) throw new SyntaxError("a lone surrogate in an escape");
  return value;
}
