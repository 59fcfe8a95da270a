import { z } from "zod";
import { MeshError } from "../../../lib/errors.js";

/** JSON says "not given" by leaving a field out or by null; both arrive as undefined. */
function optional<T extends z.ZodType>(type: T) {
  return type.nullish().transform((value) => value ?? undefined);
}

const dimensions = optional(z.int({ error: "expected an integer" }).min(0).max(0xffff_ffff));
const texts = z.union([z.string().transform((text) => [text]), z.array(z.string())], {
  error: "expected a string or a list of strings",
});

/** Body of POST /embed, after text-embeddings-inference. Unknown fields are ignored, as there. */
export const embedBody = z.object({
  inputs: texts,
  truncate: optional(z.boolean()),
  normalize: optional(z.boolean()),
  dimensions,
  prompt_name: optional(z.string()),
});

/** Body of POST /v1/embeddings, after OpenAI. */
export const openAiBody = z.object({
  input: texts,
  model: optional(z.string()),
  encoding_format: optional(z.enum(["float", "base64"])),
  dimensions,
  user: optional(z.string()),
});

/** The body in the shape of the schema, or the caller's mistake, field by field. */
export function readBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => ({
    field: issue.path.join("."),
    description: issue.message,
  }));
  const reasons = fields.map(({ field, description }) =>
    field === "" ? description : `\`${field}\`: ${description}`,
  );
  throw new MeshError("invalid", `Input validation error: ${reasons.join("; ")}`, { fields });
}
