import { z } from "zod";
import { MeshError } from "../../../lib/errors.js";
import type { Input } from "../operations/order.js";

/** JSON says "not given" by leaving a field out or by null; both arrive as undefined. */
export function optional<T extends z.ZodType>(type: T) {
  return type.nullish().transform((value) => value ?? undefined);
}

/** What was expected, of a value that is there; one that is missing is left to zod's own words. */
export function unlessMissing(expected: string) {
  return ({ input }: { readonly input?: unknown }) => (input === undefined ? undefined : expected);
}

/** How many dimensions of a vector are wanted. */
export const dimensions = optional(z.int({ error: "expected an integer" }).min(0).max(0xffff_ffff));

const idMax = 0xffff_ffff;
const idsSchema = { type: "array", items: { type: "integer", minimum: 0, maximum: idMax } };

/**
 * A text, a list of token ids, or a list of either. Read by hand: a schema would try each alternative on all of a list and
 * note every mistake, which for a body full of them takes seconds.
 */
export const inputs = z
  .unknown()
  .meta({
    anyOf: [
      { type: "string" },
      idsSchema,
      { type: "array", items: { anyOf: [{ type: "string" }, idsSchema] } },
    ],
  })
  .transform((given, context) => {
    const read = toInputs(given);
    if (read !== undefined) return read;
    const message = unlessMissing(expectedInputs)({ input: given });
    context.issues.push({
      code: "custom",
      input: given,
      ...(message !== undefined && { message }),
    });
    return z.NEVER;
  });

const expectedInputs = "expected a string, a list of token ids, or a list of these";

function toInputs(given: unknown): readonly Input[] | undefined {
  if (typeof given === "string") return [given];
  if (!Array.isArray(given)) return undefined;
  if (given.length > 0 && isIds(given)) return [{ ids: given }];
  const read: Input[] = [];
  for (const item of given) {
    if (typeof item === "string") read.push(item);
    else if (Array.isArray(item) && isIds(item)) read.push({ ids: item });
    else return undefined;
  }
  return read;
}

function isIds(list: readonly unknown[]): list is readonly number[] {
  return list.every((id) => typeof id === "number" && id >>> 0 === id);
}

/** Mistakes that an answer names. */
const issuesMax = 8;

/** `documents[2].text` */
function toField(path: readonly PropertyKey[]): string {
  return path.reduce<string>((field, key) => {
    if (typeof key === "number") return `${field}[${key}]`;
    return field === "" ? String(key) : `${field}.${String(key)}`;
  }, "");
}

/** The body in the shape of the schema, or the caller's mistake, field by field. */
export function readBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.slice(0, issuesMax).map((issue) => ({
    field: toField(issue.path),
    description: issue.message,
  }));
  const reasons = fields.map(({ field, description }) =>
    field === "" ? description : `\`${field}\`: ${description}`,
  );
  throw new MeshError("invalid", `Input validation error: ${reasons.join("; ")}`, { fields });
}
