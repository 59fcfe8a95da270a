import { z } from "zod";

/** Every failure, as OpenAI's SDKs read it. */
export const openAiError = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable().meta({ description: "The first field that is wrong." }),
      code: z.string().nullable(),
    }),
    request_id: z.string(),
  })
  .meta({ id: "OpenAiError" });

const usage = z.object({ prompt_tokens: z.int(), total_tokens: z.int() });

/** Answer of POST /v1/embeddings. */
export const embeddingsAnswer = z
  .object({
    object: z.literal("list"),
    data: z.array(
      z.object({
        object: z.literal("embedding"),
        index: z.int(),
        embedding: z
          .union([z.array(z.number()), z.string()])
          .meta({ description: "Numbers, or the base64 of little-endian float32." }),
      }),
    ),
    model: z.string(),
    usage,
  })
  .meta({ id: "OpenAiEmbeddings" });

/** Answer of POST /v1/classify: for each input its labels, the highest score first. */
export const classifyAnswer = z
  .object({
    object: z.literal("classify"),
    data: z.array(z.array(z.object({ label: z.string(), score: z.number() }))),
    model: z.string(),
    usage,
    id: z.string(),
    created: z.int(),
  })
  .meta({ id: "Classification" });

/** Answer of GET /v1/models/{model}: OpenAI's fields, and vLLM's for what a model takes. */
export const modelAnswer = z
  .object({
    id: z.string(),
    object: z.literal("model"),
    created: z.int().meta({ description: "Seconds since 1970." }),
    owned_by: z.string(),
    max_model_len: z
      .int()
      .nullable()
      .meta({ description: "Most tokens of an input; null for models of tensors." }),
  })
  .meta({ id: "OpenAiModel" });

/** Answer of GET /v1/models. */
export const modelsAnswer = z
  .object({ object: z.literal("list"), data: z.array(modelAnswer) })
  .meta({ id: "OpenAiModels" });

export type OpenAiModel = z.output<typeof modelAnswer>;
export type OpenAiModels = z.output<typeof modelsAnswer>;
