import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import { MeshError } from "../../../lib/errors.js";
import { packageRoot } from "../../../lib/package-root.js";
import { addVary } from "../../../lib/vary.js";
import { plainError } from "../http/errors.js";

/** `GET /status`: numbers for programs, as JSON, and the page that draws them. `page-address.ts` says who gets which. */
export function addStatusRoutes(app: FastifyInstance, read: () => Promise<object>): void {
  // Read once and looked up by name, so no request reaches the file system.
  const files = new Map(folders.flatMap(readFiles));

  app.get("/status", { schema: numbersSchema }, async (_request, reply) => {
    addVary(reply.raw, "Accept");
    return reply.header("cache-control", "no-store").send(await read());
  });

  app.get("/status/page", { schema: { hide: true } }, (_request, reply) => {
    addVary(reply.raw, "Accept");
    return send(reply.header("content-security-policy", policy), files.get("index.html"));
  });

  app.get("/status/page/:file", { schema: { hide: true } }, (request, reply) => {
    // The only parameter of the route.
    const { file } = request.params as { readonly file: string };
    return send(reply, files.get(file));
  });
}

/** Markup and styles lie beside the source, as they are; scripts beside this file, where the compiler puts them. */
const folders = [
  join(packageRoot, "services/gateway/status/page"),
  join(import.meta.dirname, "page"),
];

const typeOf: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".js": "text/javascript; charset=utf-8",
};

interface StaticFile {
  readonly type: string;
  readonly bytes: Buffer;
}

function readFiles(folder: string): (readonly [name: string, file: StaticFile])[] {
  return readdirSync(folder).flatMap((name) => {
    const type = typeOf[extname(name)];
    if (type === undefined || name.endsWith(".test.js")) return [];
    return [[name, { type, bytes: readFileSync(join(folder, name)) }] as const];
  });
}

function send(reply: FastifyReply, file: StaticFile | undefined): FastifyReply {
  if (file === undefined) throw new MeshError("not_found", "no such file of the status page");
  return reply.header("x-content-type-options", "nosniff").type(file.type).send(file.bytes);
}

/** Nothing from elsewhere, and nothing inside the markup: the page works offline, and no text can become a script. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const numbersSchema = {
  summary: "The state of every process of the mesh",
  description:
    "`GetStatusResponse` of [arrowmesh.status.v1](/proto/arrowmesh/status/v1/status.proto), which says what each field " +
    "means. Browsers that ask for `text/html` get a page that draws it.",
  response: {
    200: z.object({
      processes: z.array(
        z.looseObject({
          instanceId: z.string(),
          roles: z.array(z.string()),
          answering: z.boolean(),
          ready: z.boolean(),
          uptimeMs: z.number(),
        }),
      ),
      traceUrl: z.string(),
    }),
    401: plainError,
  },
};
