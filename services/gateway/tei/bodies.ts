import { z } from "zod";
import { MeshError } from "../../../lib/errors.js";
import { dimensions, inputs, optional } from "../http/bodies.js";
import { predictInputs } from "./predict-inputs.js";

// Fields and names are those of text-embeddings-inference; unknown fields are ignored, as there.

const direction = z.enum(["Left", "left", "Right", "right"]);
const tokenIds = z.array(z.int().min(0).max(0xffff_ffff));

const truncation = {
  truncate: optional(z.boolean()),
  truncation_direction: optional(direction),
};

const tokenVectors = { inputs, ...truncation, prompt_name: optional(z.string()) };

export const embedBody = z
  .object({ ...tokenVectors, normalize: optional(z.boolean()), dimensions })
  .meta({ id: "TeiEmbedRequest" });

export const embedAllBody = z.object(tokenVectors).meta({ id: "TeiEmbedAllRequest" });

export const embedSparseBody = z.object(tokenVectors).meta({ id: "TeiEmbedSparseRequest" });

const topK = optional(z.int().min(0));

/** Either `inputs`, or `text` for the short form that text-embeddings-inference does not have. */
export const predictBody = z
  .object({
    inputs: optional(predictInputs),
    text: optional(z.string()),
    ...truncation,
    raw_scores: optional(z.boolean()),
    top_k: topK,
    parameters: optional(
      z.object({
        top_k: topK,
        function_to_apply: optional(z.enum(["softmax", "sigmoid", "none"])),
      }),
    ),
  })
  .refine(({ inputs, text }) => inputs !== undefined || text !== undefined, {
    path: ["inputs"],
    error: missing,
  })
  .meta({ id: "TeiPredictRequest" });

export const rerankBody = z
  .object({
    query: z.string(),
    texts: z.array(z.string()),
    ...truncation,
    raw_scores: optional(z.boolean()),
    return_text: optional(z.boolean()),
  })
  .meta({ id: "TeiRerankRequest" });

export const similarityBody = z
  .object({
    inputs: z.object({ source_sentence: z.string(), sentences: z.array(z.string()) }),
    parameters: optional(z.object({ ...truncation, prompt_name: optional(z.string()) })),
  })
  .meta({ id: "TeiSimilarityRequest" });

export const tokenizeBody = z
  .object({
    inputs: z.union([z.string().transform((text) => [text]), z.array(z.string())]),
    add_special_tokens: optional(z.boolean()),
    prompt_name: optional(z.string()),
  })
  .meta({ id: "TeiTokenizeRequest" });

export const decodeBody = z
  .object({
    ids: z.union([tokenIds.nonempty().transform((ids) => [ids]), z.array(tokenIds)]),
    skip_special_tokens: optional(z.boolean()),
  })
  .meta({ id: "TeiDecodeRequest" });

/** Each instance is the body of another route, read once that route is known. */
export const vertexBody = z
  .object({ instances: z.array(z.unknown()) })
  .meta({ id: "TeiVertexRequest" });

/** The body in the shape of the schema, or the caller's mistake: the first, in words that begin as axum's do. */
export function readTeiBody<T>(schema: z.ZodType<T>, body: unknown): T {
  return readTeiValue(schema, body, "Failed to deserialize the JSON body into the target type: ");
}

/** The same of a value inside a body. */
export function readTeiValue<T>(schema: z.ZodType<T>, value: unknown, beginning = ""): T {
  const parsed = schema.safeParse(value, { error: missing });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") ?? "";
  const description = issue?.message ?? "";
  const reason =
    description === missingField ? `missing field \`${field}\`` : `${field}: ${description}`;
  throw new MeshError("invalid", `${beginning}${reason}`, { fields: [{ field, description }] });
}

const missingField = "missing field";

/** What is not there at all is told apart from what is wrong. */
function missing({ input }: { readonly input?: unknown }): string | undefined {
  return input === undefined ? missingField : undefined;
}

/** What is cut off an input that is too long, in the words of the operations. */
export function readTruncation(body: {
  readonly truncate: boolean | undefined;
  readonly truncation_direction: z.infer<typeof direction> | undefined;
}): { truncate: boolean | undefined; truncationSide: "left" | "right" } {
  const isLeft = body.truncation_direction?.toLowerCase() === "left";
  return { truncate: body.truncate, truncationSide: isLeft ? "left" : "right" };
}
