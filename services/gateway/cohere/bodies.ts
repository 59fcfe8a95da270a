import { z } from "zod";
import { optional } from "../http/bodies.js";
import { refused } from "../openai/bodies.js";

export const embeddingTypes = ["float", "int8", "uint8", "binary", "ubinary", "base64"] as const;
export type EmbeddingType = (typeof embeddingTypes)[number];

/** What one input is made of: texts only. */
const content = z
  .array(
    z.object({
      type: z.literal("text", { error: "only content of type `text` is served" }),
      text: z.string(),
    }),
  )
  .transform((parts) => parts.map(({ text }) => text).join("\n"));

const positive = optional(z.int().min(1));

/** Body of POST /v1/embed and /v2/embed. */
export const embedBody = z.object({
  model: optional(z.string()),
  texts: optional(z.array(z.string())),
  inputs: optional(z.array(z.object({ content }).transform((input) => input.content))),
  input_type: optional(z.string()),
  embedding_types: optional(z.array(z.enum(embeddingTypes)).min(1)),
  truncate: optional(z.enum(["NONE", "START", "END"])),
  max_tokens: positive,
  output_dimension: positive,
  priority: optional(z.int()),
  images: refused("only texts are served"),
});

export type EmbedBody = z.output<typeof embedBody>;

/** A text, or an object with one. */
const document = z
  .union([z.string(), z.object({ text: z.string() })], {
    error: "expected a string or an object with a `text`",
  })
  .transform((given) => (typeof given === "string" ? given : given.text));

/** Body of POST /v1/rerank and /v2/rerank: Cohere's, Jina's and vLLM's. */
export const rerankBody = z.object({
  model: optional(z.string()),
  query: z.string(),
  documents: z.array(document),
  top_n: positive,
  return_documents: optional(z.boolean()),
  max_tokens_per_doc: positive,
  raw_scores: optional(z.boolean()),
  priority: optional(z.int()),
  rank_fields: optional(
    z.array(z.literal("text", { error: "only the field `text` of a document is ranked" })),
  ),
  relevant_spans: refused("not supported"),
});

export type RerankBody = z.output<typeof rerankBody>;
