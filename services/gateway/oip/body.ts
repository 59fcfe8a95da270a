import type { FastifyInstance, FastifyRequest } from "fastify";
import { unpacked } from "../http/unpacked.js";

/** Clients of this protocol send binary bodies of many types, or of none. */
export function acceptAnyType(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const asItIs = unpacked((bytes) => bytes);
  app.addContentTypeParser("*", { parseAs: "buffer" }, asItIs);
}

/** The bytes of a body, unpacked where it was compressed. */
export function bytesOf(request: FastifyRequest): Uint8Array {
  // The only parser of this scope gives a Buffer; without a body there is none.
  return (request.body as Buffer | undefined) ?? new Uint8Array();
}
