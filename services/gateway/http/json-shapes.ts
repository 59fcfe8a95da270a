import { z } from "zod";
import { type JsonCursor, open } from "./json-cursor.js";
import type { JsonNumber } from "./json-text.js";
import { wordOf } from "./json-text.js";

/** How a part of a body is read, and how OpenAPI describes it. */
export interface Shape<T> {
  read(cursor: JsonCursor): T;
  /** What is read, for the OpenAPI document; it validates nothing. */
  readonly schema: z.ZodType;
}

export type ValueOf<S> = S extends Shape<infer T> ? T : never;

/** Any value but its meaning: what a shape with alternatives looks at. */
export type Content =
  | { readonly kind: "null" | "map" }
  | { readonly kind: "boolean"; readonly value: boolean }
  | ({ readonly kind: "number" } & JsonNumber)
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "list"; readonly items: readonly Content[] };

export const string: Shape<string> = {
  read: (cursor) => (cursor.isNextString() ? cursor.string() : refuseType(cursor, "a string")),
  schema: z.string(),
};

export const boolean: Shape<boolean> = {
  read(cursor) {
    const word = wordOf(cursor.peek());
    if (word === undefined || word === "null") return refuseType(cursor, "a boolean");
    return cursor.word(word) === "true";
  },
  schema: z.boolean(),
};

/** A whole number from 0 on, written as one: 2.0 is none. */
export const wholeNumber: Shape<number> = {
  read(cursor) {
    if (!cursor.isNextNumber()) return refuseType(cursor, "usize");
    const number = cursor.number();
    if (number.isInteger && number.value >= 0) return number.value;
    const what = number.isInteger ? "value" : "type";
    throw cursor.data(`invalid ${what}: ${describe(number)}, expected usize`);
  },
  schema: z.int().min(0),
};

/** One of some words. */
export function oneOf<const T extends string>(words: readonly T[]): Shape<T> {
  return {
    read(cursor) {
      if (!cursor.isNextString()) throw cursor.syntaxAtNext("expected value");
      const given = cursor.string();
      const found = words.find((word) => word === given);
      if (found !== undefined) return found;
      const expected = words.map((word) => `\`${word}\``).join(", ");
      throw cursor.data(`unknown variant \`${given}\`, expected one of ${expected}`);
    },
    schema: z.enum(words),
  };
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return {
    read(cursor) {
      if (cursor.peek() !== open.list) return refuseType(cursor, "a sequence");
      const items: T[] = [];
      cursor.list(() => items.push(item.read(cursor)));
      return items;
    },
    schema: z.array(item.schema),
  };
}

/** A field that may be left out. */
export interface Optional<T> extends Shape<T> {
  readonly isOptional: true;
}

/** JSON says "not given" by leaving a field out or by null; both are read as undefined. */
export function optional<T>(shape: Shape<T>): Optional<T | undefined> {
  return {
    isOptional: true,
    read(cursor) {
      if (wordOf(cursor.peek()) !== "null") return shape.read(cursor);
      cursor.word("null");
      return undefined;
    },
    schema: shape.schema.nullish(),
  };
}

type Fields = Readonly<Record<string, Shape<unknown>>>;
type StructOf<F extends Fields> = {
  readonly [K in keyof F]:
    | ValueOf<F[K]>
    | (F[K] extends { readonly isOptional: true } ? undefined : never);
};

/** An object with these fields, in any order and once each; others are skipped. */
export function struct<F extends Fields>(name: string, fields: F): Shape<StructOf<F>> {
  const required = Object.keys(fields).filter((key) => !isOptional(fields[key]));
  return {
    read(cursor) {
      if (cursor.peek() !== open.object) return refuseType(cursor, `struct ${name}`);
      const values: Record<string, unknown> = {};
      const seen = new Set<string>();
      cursor.object((key) => {
        const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
        if (field === undefined) return () => cursor.skip();
        if (seen.has(key)) throw cursor.dataWithin(`duplicate field \`${key}\``);
        seen.add(key);
        return () => {
          values[key] = field.read(cursor);
        };
      });
      const missing = required.find((key) => !seen.has(key));
      if (missing !== undefined) throw cursor.data(`missing field \`${missing}\``);
      // Each field has the value that its shape has read; optional ones may be absent.
      return values as StructOf<F>;
    },
    schema: z.object(schemasOf(fields)).meta({ id: `Tei${name}` }),
  };
}

function schemasOf(fields: Fields): Record<string, z.ZodType> {
  const entries = Object.entries(fields);
  return Object.fromEntries(entries.map(([key, { schema }]) => [key, schema]));
}

/** Whatever one of several forms can make of a value. */
export function untagged<T>(
  name: string,
  accept: (content: Content) => T | undefined,
  schema: z.ZodType,
): Shape<T> {
  return {
    read(cursor) {
      const accepted = accept(readContent(cursor));
      if (accepted !== undefined) return accepted;
      throw cursor.dataWithin(`data did not match any variant of untagged enum ${name}`);
    },
    schema,
  };
}

/** A value in the words of serde, for messages; lists and objects are not read for it. */
export function refuseType(cursor: JsonCursor, expected: string): never {
  const next = cursor.peek();
  const isNested = next === open.list || next === open.object;
  const found = isNested
    ? nameOf[next === open.list ? "list" : "map"]
    : nameContent(readContent(cursor));
  throw cursor.data(`invalid type: ${found}, expected ${expected}`);
}

function readContent(cursor: JsonCursor): Content {
  const next = cursor.peek();
  if (next === open.list) {
    const items: Content[] = [];
    cursor.list(() => items.push(readContent(cursor)));
    return { kind: "list", items };
  }
  if (next === open.object) {
    cursor.object(() => () => void readContent(cursor));
    return { kind: "map" };
  }
  if (cursor.isNextString()) return { kind: "string", value: cursor.string() };
  if (cursor.isNextNumber()) return { kind: "number", ...cursor.number() };
  const word = cursor.word(wordOf(next) ?? cursor.refuseValue());
  return word === "null" ? { kind: "null" } : { kind: "boolean", value: word === "true" };
}

const nameOf = { null: "null", map: "map", list: "sequence" } as const;

function nameContent(content: Content): string {
  if (content.kind === "boolean") return `boolean \`${content.value}\``;
  if (content.kind === "number") return describe(content);
  if (content.kind === "string") return `string ${JSON.stringify(content.value)}`;
  return nameOf[content.kind];
}

function describe({ isInteger, value }: JsonNumber): string {
  if (isInteger) return `integer \`${value}\``;
  const isShort = Number.isInteger(value) && Math.abs(value) < 1e16;
  const text = isShort
    ? `${Object.is(value, -0) ? "-0" : value}.0`
    : String(value).replace("e+", "e");
  return `floating point \`${text}\``;
}

function isOptional(shape: Shape<unknown> | undefined): boolean {
  return shape !== undefined && "isOptional" in shape;
}
