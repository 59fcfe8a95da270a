import type {} from "@fastify/swagger";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyTypeProvider,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { z } from "zod";
import { MeshError } from "../../../lib/errors.js";
import { readBody } from "../http/bodies.js";

declare module "fastify" {
  /** What @fastify/swagger has no field for; `summary`, `description`, `operationId` and `hide` are its own. */
  interface FastifySchema {
    /** Bodies that work as they stand on a server with default settings, by what they show. */
    readonly examples?: Readonly<Record<string, unknown>>;
    /** Headers of every answer that is none to a failure, each with its meaning. */
    readonly answerHeaders?: Readonly<Record<string, string>>;
    /** `describeProtocol` sets it. */
    readonly protocol?: Protocol;
    /** What stands in the document in place of the route, where one route serves several paths. */
    readonly paths?: Readonly<Record<string, FastifySchema>>;
  }
}

/** Makes the zod schema of a route the type of what its handler reads. */
export interface ZodTypes extends FastifyTypeProvider {
  readonly validator: this["schema"] extends z.ZodType ? z.output<this["schema"]> : unknown;
  readonly serializer: unknown;
}

/** An app whose handlers get bodies of the type that the route's schema gives them. */
export type TypedApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypes
>;

/**
 * The `body` and `querystring` of a route's schema validate what arrives; `response` is for the document only, since
 * answers with vectors are bytes already. All three are zod schemas.
 */
export function useZodSchemas(app: FastifyInstance): void {
  app.setValidatorCompiler<z.ZodType>(({ schema }) => (given: unknown) => {
    try {
      return { value: readBody(schema, given) };
    } catch (thrown) {
      if (thrown instanceof MeshError) return { error: thrown };
      throw thrown;
    }
  });
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
}

/** What the document says about all routes of a scope. */
export interface Protocol {
  /** The heading of its routes. */
  readonly tag: string;
  /** Sentences of Markdown below the heading. */
  readonly description: string;
  /** The body of its errors, and the statuses that any of its routes may answer. */
  readonly error: { readonly schema: z.ZodType; readonly statuses: readonly number[] };
}

/** Puts the routes that follow in this scope under the protocol's heading, with its errors. */
export function describeProtocol(scope: FastifyInstance, protocol: Protocol): TypedApp {
  scope.addHook("onRoute", (route) => {
    route.schema = { protocol, ...route.schema };
  });
  return scope.withTypeProvider<ZodTypes>();
}
