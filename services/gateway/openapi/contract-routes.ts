import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { MeshError } from "../../../lib/errors.js";
import { packageRoot } from "../../../lib/package-root.js";

/** Offers the .proto files for download, with a page that lists them. */
export function addContractRoutes(app: FastifyInstance, folder = join(packageRoot, "proto")): void {
  // Read once and looked up by name, so no request reaches the file system.
  const files = readContracts(folder);
  const page = toPage(files);

  app.get("/proto", { schema: indexSchema }, (_request, reply) => {
    void reply.header("content-security-policy", policy);
    return reply.type("text/html; charset=utf-8").send(page);
  });

  app.get("/proto/*", { schema: fileSchema }, (request, reply) => {
    // The wildcard of the route, which Fastify has decoded.
    const { "*": path } = request.params as { readonly "*": string };
    const file = files.get(path);
    if (file === undefined) throw new MeshError("not_found", "no such contract; see /proto");
    void reply.header("x-content-type-options", "nosniff");
    return reply.type(file.type).send(file.bytes);
  });
}

/** All contracts in one message, as tools read it. */
const descriptors = "contracts.binpb";

const indexSchema = {
  summary: "The contracts of gRPC, gRPC-Web and Connect, as a page",
  response: { 200: { content: { "text/html": { schema: z.string() } } } },
};

const fileSchema = {
  paths: {
    "/proto/:path": {
      summary: "A contract",
      description: `A .proto file, or \`${descriptors}\`: all of them as one \`google.protobuf.FileDescriptorSet\`.`,
      params: z.object({
        path: z.string().meta({
          description: "The path of a file; its slashes may stand as they are.",
          examples: ["arrowmesh/gateway/v1/gateway.proto"],
        }),
      }),
      response: {
        200: {
          content: {
            "text/plain": { schema: z.string() },
            "application/octet-stream": { schema: z.unknown() },
          },
        },
      },
    },
  },
};

interface Contract {
  readonly type: string;
  readonly bytes: Buffer;
}

function readContracts(folder: string): ReadonlyMap<string, Contract> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const files = new Map<string, Contract>();
  for (const name of names.map((path) => path.replaceAll(sep, "/"))) {
    const type = typeOf(name);
    if (type !== undefined) files.set(name, { type, bytes: readFileSync(join(folder, name)) });
  }
  return files;
}

function typeOf(name: string): string | undefined {
  if (name.endsWith(".proto")) return "text/plain; charset=utf-8";
  return name === descriptors ? "application/octet-stream" : undefined;
}

const style =
  "body{font:1rem/1.6 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}" +
  "code{font-size:.9em}small{display:block;opacity:.7}";
const styleDigest = createHash("sha256").update(style).digest("base64");
const policy = `default-src 'none'; style-src 'sha256-${styleDigest}'; base-uri 'none'; frame-ancestors 'none'`;

/** The names are those of files in this package, which need no escaping. */
function toPage(files: ReadonlyMap<string, Contract>): string {
  const items = [...files].map(([name, { bytes }]) => {
    const link = `<a href="/proto/${name}"><code>${name}</code></a>`;
    return `<li>${link}${name === descriptors ? "" : toServices(bytes.toString())}</li>`;
  });
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Arrowmesh contracts</title><style>${style}</style>
<h1>Contracts</h1>
<p>Every service of the mesh in Protobuf. This port answers the public ones as gRPC, gRPC-Web and Connect, and lists them
by reflection; routes of HTTP with JSON are in the <a href="/docs">API reference</a>. <code>${descriptors}</code> has all
contracts in one file, for <code>grpcurl -protoset</code> and <code>buf</code>.</p>
<ul>${items.join("\n")}</ul>
</html>
`;
}

function toServices(contract: string): string {
  const names = [...contract.matchAll(/^service (\w+)/gm)].map(([, name]) => name);
  return names.length === 0 ? "" : `<small>${names.join(", ")}</small>`;
}
