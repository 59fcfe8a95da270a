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

const tokenIds = z.array(z.int().min(0).max(0xffff_ffff)).nonempty();

/** A text, a list of token ids, or a list of either. */
export const inputs = z
  .union([z.string(), tokenIds, z.array(z.union([z.string(), z.array(tokenIds.element)]))], {
    error: unlessMissing("expected a string, a list of token ids, or a list of these"),
  })
  .transform(toInputs);

function toInputs(
  given: string | readonly number[] | readonly (string | readonly number[])[],
): Input[] {
  if (typeof given === "string") return [given];
  if (isIds(given)) return [{ ids: given }];
  return given.map((input) => (typeof input === "string" ? input : { ids: input }));
}

function isIds(given: readonly unknown[]): given is readonly number[] {
  return typeof given[0] === "number";
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
