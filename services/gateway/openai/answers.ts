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
    usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
  })
  .meta({ id: "OpenAiEmbeddings" });
