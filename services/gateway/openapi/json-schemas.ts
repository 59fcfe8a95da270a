import { z } from "zod";

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface JsonSchemas {
  /** Each schema: a reference where it has an id, itself where it has none. */
  readonly of: ReadonlyMap<z.ZodType, JsonSchema>;
  /** Those with an id, as components of an OpenAPI document. */
  readonly components: Readonly<Record<string, JsonSchema>>;
}

/** JSON Schema (2020-12) of zod schemas, as what a caller sends: before any of their transforms. */
export function toJsonSchemas(schemas: Iterable<z.ZodType>): JsonSchemas {
  const all = [...new Set(schemas)];
  // One conversion for all of them: what several use becomes one definition, and two of the same id are an error.
  const whole = z.toJSONSchema(z.object(Object.fromEntries(all.entries())), {
    io: "input",
    unrepresentable: "any",
    override: ({ jsonSchema }) => leaveOutSafeIntegers(jsonSchema),
  });
  const { properties = {}, $defs = {} } = toComponentReferences(whole);
  return {
    of: new Map(all.map((schema, index) => [schema, properties[index] ?? {}])),
    components: $defs,
  };
}

/** That a number is exact in JavaScript is no news to a caller. */
function leaveOutSafeIntegers(schema: { minimum?: number; maximum?: number }): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}

function toComponentReferences(schema: object): {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
} {
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    key === "$ref" && typeof value === "string"
      ? value.replace("#/$defs/", "#/components/schemas/")
      : value,
  );
}
