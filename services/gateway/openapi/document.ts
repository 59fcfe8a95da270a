import { z } from "zod";
import { plainError } from "../http/errors.js";
import { toJsonSchemas } from "./json-schemas.js";
import { type DeclaredRoute, type JsonObject, toOperation, zodSchemasOf } from "./operation.js";
import type { Protocol } from "./route-schemas.js";

export interface DocumentFacts {
  readonly version: string;
  /** Which calls need no key, where the others need one. */
  readonly isPublicCall: ((name: string) => boolean) | undefined;
}

/** An OpenAPI 3.1 document. */
export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: JsonObject;
  readonly servers: readonly JsonObject[];
  readonly tags: readonly JsonObject[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, JsonObject>>>>;
  readonly components: JsonObject;
  readonly security?: readonly JsonObject[];
}

/** The OpenAPI document of these routes: what validates their bodies is what stands in it. */
export function createDocument(
  declared: readonly DeclaredRoute[],
  { version, isPublicCall }: DocumentFacts,
): OpenApiDocument {
  const needsKey = isPublicCall !== undefined;
  const routes = declared.map((route) => withSecurity(route, isPublicCall)).flatMap(toDocumented);
  const schemas = toJsonSchemas(routes.flatMap((route) => zodSchemasOf(route, protocolOf(route))));
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const route of routes) {
    const path = route.url.replace(parameter, "{$1}");
    const operation = toOperation(route, protocolOf(route), schemas);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation };
  }
  const key = { securitySchemes: { key: { type: "http", scheme: "bearer" } } };
  return {
    openapi: "3.1.0",
    info: { ...info, version },
    // Wherever the document was loaded from.
    servers: [{ url: "/" }],
    tags: toTags(routes),
    paths,
    components: { schemas: schemas.components, ...(needsKey ? key : {}) },
    ...(needsKey ? { security: [{ key: [] }] } : {}),
  };
}

const info = {
  title: "Arrowmesh",
  summary: "Inference of text models",
  description:
    "Every HTTP+JSON route of this server. On the same port it answers gRPC, gRPC-Web and Connect, whose contracts are " +
    "[Protobuf files](/proto).\n\nThe header `x-request-id` of an answer stands in the server's log, too.",
  license: { name: "Apache 2.0", identifier: "Apache-2.0" },
};

const parameter = /:(\w+)/g;

function withSecurity(
  route: DeclaredRoute,
  isPublicCall: DocumentFacts["isPublicCall"],
): DeclaredRoute {
  // The name of a call is that of its route.
  if (isPublicCall?.(`${route.method} ${route.url}`) !== true) return route;
  return { ...route, schema: { ...route.schema, security: [] } };
}

/** One route, or those that it says it serves; each names the parameters of its path. */
function toDocumented(route: DeclaredRoute): readonly DeclaredRoute[] {
  const { paths, ...schema } = route.schema;
  const all = paths === undefined ? { [route.url]: {} } : paths;
  return Object.entries(all).map(([url, own]) => {
    const names = [...url.matchAll(parameter)].map(([, name = ""]) => [name, z.string()]);
    const params = names.length === 0 ? {} : { params: z.object(Object.fromEntries(names)) };
    return { ...route, url, schema: { ...params, ...schema, ...own } };
  });
}

/** In the order of their first route; the server's own come last. */
function toTags(routes: readonly DeclaredRoute[]): JsonObject[] {
  const protocols = new Set(routes.map(protocolOf));
  if (protocols.delete(server)) protocols.add(server);
  return [...protocols].map(({ tag, description }) => ({ name: tag, description }));
}

const server: Protocol = {
  tag: "Server",
  description: "Probes, metrics, contracts and this document.",
  error: { schema: plainError, statuses: [404, 500] },
};

function protocolOf({ schema }: DeclaredRoute): Protocol {
  return schema.protocol ?? server;
}
