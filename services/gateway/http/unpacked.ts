import type { FastifyRequest } from "fastify";
import { decompress } from "../../../lib/compression.js";

type Parse = (
  request: FastifyRequest,
  body: Buffer,
  done: (error: Error | null, value?: unknown) => void,
) => void;

/** A parser of whole bodies that gets compressed ones unpacked; the bound of the route holds for both. */
export function unpacked(parse: (bytes: Buffer) => unknown): Parse {
  return (request, body, done) => {
    const finish = (bytes: Buffer): void => {
      try {
        done(null, parse(bytes));
      } catch (thrown) {
        done(thrown as Error);
      }
    };
    const coding = request.headers["content-encoding"];
    if (coding === undefined) return finish(body);
    decompress(coding, body, request.routeOptions.bodyLimit).then(finish, done);
  };
}
