import { MeshError } from "../errors.js";

/** The caller's mistake in one field of a request. */
export function invalid(field: string, reason: string): MeshError {
  return new MeshError("invalid", `${field}: ${reason}`, {
    fields: [{ field, description: reason }],
  });
}

/** What the protocol has and this server has not. */
export function unsupported(what: string): MeshError {
  return new MeshError("unsupported", `${what} not supported by this server`);
}

/** The answer to a request whose `timeout` parameter passed, in Triton's words. */
export function timeoutExpired(): MeshError {
  return new MeshError("unavailable", "Request timeout expired", { retryAfterMs: 1_000 });
}

/** Longest name of a model, version, tensor or parameter, and longest id of a request. */
const nameCharactersMax = 256;

/** Names come back in errors and headers, so they must be text and short. */
export function requireName(name: string, field: string): void {
  if (name.length > nameCharactersMax) {
    throw invalid(field, `longer than ${nameCharactersMax} characters`);
  }
  if (!name.isWellFormed()) throw invalid(field, "not well-formed Unicode");
}
