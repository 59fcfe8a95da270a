import { STATUS_CODES } from "node:http";
import type { FastifySchema } from "fastify";
import { z } from "zod";
import { type JsonSchema, type JsonSchemas, toJsonSchemas } from "./json-schemas.js";
import type { Protocol } from "./route-schemas.js";

/** A route as its options declare it. */
export interface DeclaredRoute {
  readonly method: string;
  /** As Fastify writes it: `/models/:id`. */
  readonly url: string;
  readonly schema: FastifySchema;
}

export interface DocumentFacts {
  readonly version: string;
  /** Whether callers need a key. */
  readonly isAuthenticated: boolean;
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

type JsonObject = Readonly<Record<string, unknown>>;

/** The OpenAPI document of these routes: what validates their bodies is what stands in it. */
export function createDocument(
  declared: readonly DeclaredRoute[],
  { version, isAuthenticated }: DocumentFacts,
): OpenApiDocument {
  const routes = declared.flatMap(toDocumented);
  const schemas = toJsonSchemas(routes.flatMap(({ schema }) => zodSchemasOf(schema)));
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const route of routes) {
    const path = toTemplate(route.url);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: toOperation(route, schemas) };
  }
  return {
    openapi: "3.1.0",
    info: { ...info, version },
    // Wherever the document was loaded from.
    servers: [{ url: "/" }],
    tags: toTags(routes),
    paths,
    components: {
      schemas: schemas.components,
      ...(isAuthenticated ? { securitySchemes: { key: { type: "http", scheme: "bearer" } } } : {}),
    },
    ...(isAuthenticated ? { security: [{ key: [] }] } : {}),
  };
}

const info = {
  title: "Arrowmesh",
  summary: "Inference of text models",
  description:
    "Every HTTP+JSON route of this server. The same server answers gRPC, gRPC-Web and Connect on the same port; " +
    "[the contracts](/proto) are Protobuf files.\n\nEvery answer has an `x-request-id` that the server's log has too.",
  license: { name: "Apache 2.0", identifier: "Apache-2.0" },
};

/** One route, or those that it says it serves. */
function toDocumented(route: DeclaredRoute): readonly DeclaredRoute[] {
  const { paths, ...schema } = route.schema;
  if (paths === undefined) return [route];
  return Object.entries(paths).map(([url, own]) => ({
    ...route,
    url,
    schema: { ...schema, ...own },
  }));
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
  error: { schema: z.unknown(), statuses: [] },
};

function protocolOf({ schema }: DeclaredRoute): Protocol {
  return schema.protocol ?? server;
}

/** `/models/:id` is `/models/{id}`. */
function toTemplate(url: string): string {
  return url.replace(/:(\w+)/g, "{$1}").replace("*", "{path}");
}

function toOperation(route: DeclaredRoute, schemas: JsonSchemas): JsonObject {
  const { summary, description, body, examples, operationId, security } = route.schema;
  const parameters = [...pathParameters(route), ...queryParameters(route.schema, schemas)];
  return {
    operationId: operationId ?? toOperationId(route),
    tags: [protocolOf(route).tag],
    ...given({ summary, description, security }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: toContent(body, schemas, examples) } }),
    responses: toResponses(route, schemas),
  };
}

/** `POST /v1/embeddings` is `postV1Embeddings`. */
function toOperationId({ method, url }: DeclaredRoute): string {
  const words = url.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return [
    method.toLowerCase(),
    ...words.map((word) => word[0]?.toUpperCase() + word.slice(1)),
  ].join("");
}

function pathParameters({ url }: DeclaredRoute): JsonObject[] {
  const names = [...toTemplate(url).matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  return names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } }));
}

/** The fields of the query's schema, which is an object without an id. */
function queryParameters({ querystring }: FastifySchema, { of }: JsonSchemas): JsonObject[] {
  if (!isZod(querystring)) return [];
  const { properties = {}, required = [] } = of.get(querystring) as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
}

function toResponses(route: DeclaredRoute, schemas: JsonSchemas): JsonObject {
  const { error, headers = {} } = protocolOf(route);
  const errors = error.statuses.map((status) => [String(status), error.schema] as const);
  const own = Object.entries(responsesOf(route.schema));
  const responses = own.length === 0 ? [["200", undefined] as const] : own;
  return Object.fromEntries(
    [...responses, ...errors].map(([status, schema]) => [
      status,
      {
        description: STATUS_CODES[status] ?? status,
        ...given({ headers: toHeaders(status, headers) }),
        ...(schema === undefined ? {} : { content: toContent(schema, schemas) }),
      },
    ]),
  );
}

function toHeaders(status: string, own: Readonly<Record<string, string>>): JsonObject | undefined {
  const isOk = status.startsWith("2");
  const isWorthARetry = status === "429" || status === "503";
  const headers = {
    ...(isOk ? own : {}),
    ...(isWorthARetry ? { "retry-after": "Seconds after which a retry makes sense." } : {}),
  };
  if (Object.keys(headers).length === 0) return undefined;
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { description, schema: { type: "string" } },
    ]),
  );
}

/** A zod schema is JSON; Fastify's `{content}` names other media types. */
type Declared = z.ZodType | { readonly content: Readonly<Record<string, { schema: z.ZodType }>> };

function contentOf(declared: unknown): Readonly<Record<string, { readonly schema: z.ZodType }>> {
  // Fastify has no type for what a route's schema may hold; `Declared` is what the compilers here accept.
  const schema = declared as Declared;
  return isZod(schema) ? { "application/json": { schema } } : schema.content;
}

function responsesOf({ response }: FastifySchema): Readonly<Record<string, unknown>> {
  return (response ?? {}) as Readonly<Record<string, unknown>>;
}

function toContent(
  declared: unknown,
  { of }: JsonSchemas,
  named: Readonly<Record<string, unknown>> = {},
): JsonObject {
  const examples = Object.entries(named).map(([summary, value], index) => [
    String(index + 1),
    { summary, value },
  ]);
  return Object.fromEntries(
    Object.entries(contentOf(declared)).map(([type, { schema }]) => [
      type,
      {
        schema: of.get(schema),
        ...(examples.length === 0 ? {} : { examples: Object.fromEntries(examples) }),
      },
    ]),
  );
}

function zodSchemasOf(schema: FastifySchema): z.ZodType[] {
  const { body, querystring, protocol } = schema;
  const contents = [body, ...Object.values(responsesOf(schema))].filter(
    (part) => part !== undefined,
  );
  return [
    ...contents.flatMap((part) => Object.values(contentOf(part)).map(({ schema }) => schema)),
    ...(isZod(querystring) ? [querystring] : []),
    ...(protocol === undefined ? [] : [protocol.error.schema]),
  ];
}

function isZod(value: unknown): value is z.ZodType {
  return value instanceof z.ZodType;
}

function given(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
