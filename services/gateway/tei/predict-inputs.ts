import { z } from "zod";
import { type JsonCursor, open } from "../http/json-cursor.js";
import {
  type Content,
  list,
  refuseType,
  type Shape,
  string,
  untagged,
} from "../http/json-shapes.js";
import type { TextPair } from "../operations/order.js";

/** What is classified: texts and pairs of texts. */
export interface PredictInputs {
  /** Whether the answer is a list of lists. */
  readonly isBatch: boolean;
  readonly inputs: readonly (string | TextPair)[];
}

const expected =
  "a string, a pair of strings [string, string] or a batch of mixed strings and pairs [[string], [string, string], ...]";
const texts = z.array(z.string());

/** `"text"`, `["text"]` and `["a", "b"]` are one input; lists in a list are one each. */
export const predictInputs: Shape<PredictInputs> = {
  read(cursor) {
    if (cursor.isNextString()) return { isBatch: false, inputs: [cursor.string()] };
    if (cursor.peek() !== open.list) return refuseType(cursor, expected);
    const items: (string | readonly string[])[] = [];
    cursor.list(
      () => items.push(readItem(cursor, items[0])),
      () => requireLength(cursor, items),
    );
    if (items.length === 0) throw cursor.data(`invalid length 0, expected ${expected}`);
    const single = items.filter((item) => typeof item === "string");
    if (single.length > 0) return { isBatch: false, inputs: [toInput(single)] };
    return { isBatch: true, inputs: items.filter((item) => typeof item !== "string").map(toInput) };
  },
  schema: z.union([z.string(), texts, z.array(texts)]),
};

/** The first item decides what the others have to be. */
function readItem(
  cursor: JsonCursor,
  first: string | readonly string[] | undefined,
): string | readonly string[] {
  if (first === undefined) return firstItem.read(cursor);
  return typeof first === "string" ? string.read(cursor) : list(string).read(cursor);
}

const firstItem: Shape<string | readonly string[]> = untagged(
  "Internal",
  (content) => {
    if (content.kind === "string") return content.value;
    if (content.kind !== "list") return undefined;
    const strings = content.items.filter(isString).map(({ value }) => value);
    return strings.length === content.items.length ? strings : undefined;
  },
  z.union([z.string(), texts]),
);

function isString(content: Content): content is Content & { readonly kind: "string" } {
  return content.kind === "string";
}

/** At most two texts belong together. */
function requireLength(cursor: JsonCursor, items: readonly (string | readonly string[])[]): void {
  const last = items.at(-1);
  const length = typeof last === "string" ? items.length : (last?.length ?? 0);
  const isRight = length <= 2 && length > 0;
  if (!isRight) throw cursor.dataWithin(`invalid length ${length}, expected ${expected}`);
}

/** Of one text or two. */
function toInput([first = "", second]: readonly string[]): string | TextPair {
  return second === undefined ? first : { first, second };
}
