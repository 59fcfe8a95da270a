import { z } from "zod";
import { openAiError } from "../openai/answers.js";

/** Every failure: Cohere's message, and beside it OpenAI's error. */
export const cohereError = openAiError.extend({ message: z.string() }).meta({ id: "CohereError" });

const meta = z.object({
  api_version: z.object({ version: z.string() }),
  billed_units: z.object({ input_tokens: z.int().optional(), search_units: z.int().optional() }),
  tokens: z.object({ input_tokens: z.int() }),
});

const vectors = z.array(z.array(z.number()));

/** Answer of POST /v1/embed and /v2/embed. */
export const embedAnswer = z
  .object({
    id: z.string(),
    response_type: z.enum(["embeddings_by_type", "embeddings_floats"]),
    texts: z.array(z.string()),
    model: z.string(),
    meta,
    embeddings: z.union([
      z.object({
        float: vectors.optional(),
        int8: vectors.optional(),
        uint8: vectors.optional(),
        binary: vectors.optional(),
        ubinary: vectors.optional(),
        base64: z.array(z.string()).optional(),
      }),
      vectors,
    ]),
  })
  .meta({ id: "CohereEmbeddings" });

/** Answer of POST /v1/rerank and /v2/rerank, the most relevant first. */
export const rerankAnswer = z
  .object({
    id: z.string(),
    model: z.string(),
    results: z.array(
      z.object({
        index: z.int().meta({ description: "Position among the documents of the request." }),
        relevance_score: z.number(),
        document: z.object({ text: z.string() }).optional(),
      }),
    ),
    usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
    meta,
  })
  .meta({ id: "CohereRanking" });
