import { z } from "zod";
import { inputs, optional } from "../http/bodies.js";
import { numberTypes } from "../http/number-types.js";

/** A field that clients of other servers send and this one cannot honour: refused by name, unless it is null. */
export function refused(reason: string) {
  return optional(z.never({ error: reason }));
}

/** How many tokens are kept of each input, as vLLM has it: -1 means as many as the model reads. */
export const truncatePromptTokens = optional(
  z.int().refine((count) => count === -1 || count > 0, { error: "expected -1 or 1 and above" }),
);

const dimensions = optional(
  z
    .int({ error: "expected an integer" })
    .min(1, { error: ({ input }) => `${input} is less than the minimum of 1 - 'dimensions'` })
    .max(0xffff_ffff),
);

/** Body of POST /v1/embeddings: OpenAI's own fields, then those of vLLM and infinity. Others are ignored. */
export const embeddingsBody = z.object({
  input: inputs,
  model: optional(z.string()),
  encoding_format: optional(z.enum(["float", "base64"])),
  dimensions,
  user: optional(z.string()),

  truncate_prompt_tokens: truncatePromptTokens,
  truncation_side: optional(z.enum(["left", "right"])),
  add_special_tokens: optional(z.boolean()),
  normalize: optional(z.boolean()),
  use_activation: optional(z.boolean()),
  input_type: optional(z.string()),
  priority: optional(z.int()),
  embed_dtype: optional(z.enum(numberTypes)),
  endianness: optional(z.enum(["native", "little", "big"])),
  modality: optional(z.literal("text", { error: "only `text` is served" })),
  messages: refused("conversations are not served; send `input`"),
  request_id: refused("not supported in the body; send the header X-Request-Id"),
  cache_salt: refused("not supported: vectors are remembered for all callers alike"),
  padding: refused("not supported: padding never changes a vector here"),
  late_chunking: refused("not supported"),
});

export type EmbeddingsBody = z.output<typeof embeddingsBody>;

const texts = z
  .union([z.string(), z.array(z.string())], { error: "expected a string or a list of strings" })
  .transform((given) => (typeof given === "string" ? [given] : given));

/** Labels in a list, or in a text with commas between them, as Hugging Face's pipelines take them. */
const labels = optional(
  z
    .union([z.string(), z.array(z.string())], { error: "expected a list of strings" })
    .transform((given) =>
      typeof given === "string" ? given.split(",").map((label) => label.trim()) : given,
    ),
);

/** Body of POST /v1/classify: infinity's, and zero-shot with labels. */
export const classifyBody = z.object({
  input: texts,
  model: optional(z.string()),
  labels,
  candidate_labels: labels,
  hypothesis_template: optional(z.string()),
  multi_label: optional(z.boolean()),
  raw_scores: optional(z.boolean()),
  truncate_prompt_tokens: truncatePromptTokens,
  truncation_side: optional(z.enum(["left", "right"])),
  priority: optional(z.int()),
});

export type ClassifyBody = z.output<typeof classifyBody>;
