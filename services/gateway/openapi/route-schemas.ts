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
  interface FastifySchema {
    /** The route in a few words, without a full stop. */
    readonly summary?: string;
    /** Sentences of Markdown: what a caller has to know beside the schemas. */
    readonly description?: string;
    /** Which protocol the route belongs to; `describeProtocol` sets it. */
    readonly tags?: readonly string[];
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

/** Adds the protocol's heading and errors to the schema of each route that follows in this scope. */
export function describeProtocol(scope: FastifyInstance, protocol: Protocol): TypedApp {
  const { tag, error } = protocol;
  const errors = Object.fromEntries(error.statuses.map((status) => [status, error.schema]));
  scope.addHook("onRoute", (route) => {
    const { response, ...schema } = route.schema ?? {};
    // Fastify has no type for it: statuses and their schemas.
    const answers = response as Readonly<Record<string, z.ZodType>> | undefined;
    route.schema = { tags: [tag], ...schema, response: { ...errors, ...answers } };
  });
  return scope.withTypeProvider<ZodTypes>();
}
