import type { FastifyInstance, FastifyRequest } from "fastify";
import { MeshError } from "../../../lib/errors.js";
import { wordsOf } from "./errors.js";
import { JsonCursor } from "./json-cursor.js";
import { JsonError } from "./json-error.js";
import type { Shape } from "./json-shapes.js";

/** As the media type of a body: any kind of JSON. */
export const jsonType: RegExp = /^application\/([\w.-]+\+)?json(\s*;|$)/i;

/** Lets the routes of a scope read their bodies themselves, by `readJson`; schemas of bodies are for the document only. */
export function keepJsonBytes(scope: FastifyInstance): void {
  scope.setValidatorCompiler(() => (value) => ({ value }));
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(jsonType, { parseAs: "buffer" }, (_request, body, done) => {
    done(null, body);
  });
}

/** The JSON body of a request, of a scope that keeps its bytes. */
export function bytesOf({ body, headers }: FastifyRequest): Buffer {
  if (Buffer.isBuffer(body)) return body;
  // Without a body Fastify asks no parser.
  if (jsonType.test(headers["content-type"] ?? "")) return Buffer.alloc(0);
  throw new MeshError("unsupported_media_type", wordsOf.unsupported_media_type);
}

/** A body in a shape, or the caller's mistake in the words of axum and serde. */
export function readJson<T>(shape: Shape<T>, bytes: Buffer): T {
  const cursor = new JsonCursor(bytes);
  try {
    const value = shape.read(cursor);
    cursor.end();
    return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const at = error.path === "" ? "" : `${error.path}: `;
    const reason = `${at}${error.message} at ${cursor.placeOf(error.offset ?? 0)}`;
    throw refusal(error, `${beginningOf[error.kind]}: ${reason}`);
  }
}

/** The same of a value inside a body: its place there is not known. */
export function readJsonValue<T>(shape: Shape<T>, bytes: Buffer): T {
  try {
    return shape.read(new JsonCursor(bytes));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw refusal(error, error.message);
  }
}

/** What was read, or undefined where it is something else; the next reader says what. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof MeshError) return undefined;
    throw error;
  }
}

const beginningOf = {
  syntax: "Failed to parse the request body as JSON",
  data: "Failed to deserialize the JSON body into the target type",
} as const;

function refusal({ kind, path, message: description }: JsonError, message: string): MeshError {
  const fields = [{ field: path, description }];
  return new MeshError(kind === "syntax" ? "malformed" : "invalid", message, { fields });
}
