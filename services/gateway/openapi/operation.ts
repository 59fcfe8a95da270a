import { STATUS_CODES } from "node:http";
import type { FastifySchema } from "fastify";
import { z } from "zod";
import { rateLimitHeaderMeanings } from "../../../lib/rate-limit-headers.js";
import type { JsonSchema, JsonSchemas } from "./json-schemas.js";
import type { Protocol } from "./route-schemas.js";

/** A route as its options declare it. */
export interface DeclaredRoute {
  readonly method: string;
  /** As Fastify writes it: `/models/:id`. */
  readonly url: string;
  readonly schema: FastifySchema;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** What an OpenAPI document says about one route. */
export function toOperation(
  { method, url, schema }: DeclaredRoute,
  protocol: Protocol,
  schemas: JsonSchemas,
): JsonObject {
  const { summary, description, operationId, security, body, examples } = schema;
  const parameters = [
    ...toParameters("path", schema.params, schemas),
    ...toParameters("query", schema.querystring, schemas),
  ];
  return {
    operationId: operationId ?? toOperationId(method, url),
    tags: [protocol.tag],
    ...given({ summary, description, security }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: isRequired(body), content: toContent(body, schemas, examples) },
        }),
    // A route may give a status a meaning of its own.
    responses: { ...toErrors(protocol, schemas), ...toResponses(schema, schemas) },
  };
}

/** The zod schemas that `toOperation` looks up. */
export function zodSchemasOf({ schema }: DeclaredRoute, protocol: Protocol): z.ZodType[] {
  const { body, params, querystring } = schema;
  const contents = [body, ...Object.values(responsesOf(schema))].filter(
    (part) => part !== undefined,
  );
  return [
    ...contents.flatMap((part) => Object.values(contentOf(part)).map((media) => media.schema)),
    ...[params, querystring].filter(isZod),
    protocol.error.schema,
  ];
}

/** `POST /v1/embeddings` is `postV1Embeddings`. */
function toOperationId(method: string, url: string): string {
  const words = url.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const capital = words.map((word) => `${word[0]?.toUpperCase()}${word.slice(1)}`);
  return [method.toLowerCase(), ...capital].join("");
}

/** The fields of a schema of parameters, which is an object without an id. */
function toParameters(
  place: "path" | "query",
  declared: unknown,
  { of }: JsonSchemas,
): JsonObject[] {
  if (!isZod(declared)) return [];
  const { properties = {}, required = [] } = of.get(declared) as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...given({ description }),
    schema,
  }));
}

/** A route that declares no answer has one without a body. */
function toResponses(schema: FastifySchema, schemas: JsonSchemas): JsonObject {
  const declared = Object.entries(responsesOf(schema));
  const answers = declared.length === 0 ? [["200", undefined] as const] : declared;
  return Object.fromEntries(
    answers.map(([status, answer]) => [
      status,
      {
        description: STATUS_CODES[status] ?? status,
        ...given({ headers: schema.answerHeaders && toHeaders(schema.answerHeaders) }),
        ...(answer === undefined ? {} : { content: toContent(answer, schemas) }),
      },
    ]),
  );
}

function responsesOf({ response = {} }: FastifySchema): Readonly<Record<string, unknown>> {
  // Fastify has no type for it: schemas by status.
  return response as Readonly<Record<string, unknown>>;
}

/** An entry for each status, although their bodies have one shape: tools know no ranges. */
function toErrors({ error }: Protocol, schemas: JsonSchemas): JsonObject {
  const content = toContent(error.schema, schemas);
  return Object.fromEntries(
    error.statuses.map((status) => [
      status,
      {
        description: meaningOf[status] ?? STATUS_CODES[status],
        ...given({ headers: errorHeadersOf[status] && toHeaders(errorHeadersOf[status]) }),
        content,
      },
    ]),
  );
}

const meaningOf: Readonly<Record<number, string>> = {
  400: "The request is empty, no JSON, or not valid.",
  401: "The key is missing or wrong.",
  403: "The caller may not do this.",
  404: "The model or the route does not exist.",
  405: "The route has other methods.",
  413: "The body or the batch is too large.",
  415: "The body has another media type.",
  422: "A field is not valid.",
  424: "The model cannot do this.",
  429: "A limit is reached, or the server is overloaded.",
  500: "The server has a bug.",
  501: "The server does not support this.",
  503: "A service that is needed does not answer.",
  504: "The deadline has passed.",
};
const retryAfter = { "retry-after": "Seconds after which a retry makes sense." };
const errorHeadersOf: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  429: { ...retryAfter, ...rateLimitHeaderMeanings },
  503: retryAfter,
};

function toHeaders(meanings: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(
    Object.entries(meanings).map(([name, description]) => [
      name,
      { description, schema: { type: "string" } },
    ]),
  );
}

type Media = Readonly<Record<string, { readonly schema: z.ZodType }>>;

/** A zod schema stands for JSON; Fastify's `{content}` names media types. */
function contentOf(declared: unknown): Media {
  if (isZod(declared)) return { "application/json": { schema: declared } };
  // Fastify has no type for it: routes here have no third form.
  return (declared as { readonly content: Media }).content;
}

function toContent(
  declared: unknown,
  { of }: JsonSchemas,
  examples: Readonly<Record<string, unknown>> = {},
): JsonObject {
  const named = Object.entries(examples).map(([summary, value], index) => [
    `example${index + 1}`,
    { summary, value },
  ]);
  const shown = named.length === 0 ? {} : { examples: Object.fromEntries(named) };
  return Object.fromEntries(
    Object.entries(contentOf(declared)).map(([type, { schema }]) => [
      type,
      // Examples are JSON.
      { schema: of.get(schema), ...(type === "application/json" ? shown : {}) },
    ]),
  );
}

function isRequired(body: unknown): boolean {
  return !(isZod(body) && body.safeParse(undefined).success);
}

function isZod(value: unknown): value is z.ZodType {
  return value instanceof z.ZodType;
}

function given(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
