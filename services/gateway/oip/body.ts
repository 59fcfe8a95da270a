import { promisify } from "node:util";
import { gunzip, type InputType, inflate, type ZlibOptions } from "node:zlib";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { MeshError } from "../../../lib/errors.js";

/** Clients of this protocol send binary bodies of many types, or of none. */
export function acceptAnyType(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
}

/** The bytes of a body, unpacked where it is compressed; the bound holds for what comes out, too. */
export async function readBytes(request: FastifyRequest, bytesMax: number): Promise<Uint8Array> {
  // The only parser of this scope gives a Buffer; without a body there is none.
  const body = (request.body as Buffer | undefined) ?? new Uint8Array();
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding === "identity") return body;
  const unpack = unpackers[encoding];
  if (unpack === undefined) {
    throw new MeshError("unsupported_media_type", "expected Content-Encoding: gzip or deflate");
  }
  try {
    return await unpack(body, { maxOutputLength: bytesMax });
  } catch (thrown) {
    const isTooLarge =
      thrown instanceof Error && "code" in thrown && thrown.code === "ERR_BUFFER_TOO_LARGE";
    if (isTooLarge) throw new MeshError("too_large", `the body unpacks to over ${bytesMax} bytes`);
    throw new MeshError("malformed", `the body is not ${encoding}`);
  }
}

const unpackers: Readonly<
  Record<string, ((input: InputType, options: ZlibOptions) => Promise<Buffer>) | undefined>
> = { gzip: promisify(gunzip), deflate: promisify(inflate) };
