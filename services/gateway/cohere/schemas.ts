import type { FastifySchema } from "fastify";
import type { Protocol } from "../openapi/route-schemas.js";
import { cohereError, embedAnswer, rerankAnswer } from "./answers.js";
import { embedBody, rerankBody } from "./bodies.js";

/** The heading of these routes in the document. */
export const cohere: Protocol = {
  tag: "Cohere",
  description: "Cohere's embed and rerank, versions 1 and 2; Jina and vLLM have the same rerank.",
  error: { schema: cohereError, statuses: [400, 401, 404, 413, 415, 429, 500, 503, 504] },
};

/** What stands in the document for each route. */
export const schemas = {
  embed: {
    summary: "Vectors of texts, in one type of number or several",
    description:
      "`input_type` stands for the model's prompt of that meaning, if it has one. int8 is `round(127 value / range)` of the " +
      "vector with length 1, where `range` is `min(1, 6 / sqrt(dimensions))`; uint8 is int8 + 128; ubinary has a bit for " +
      "each value, set where it is above 0, the first one highest; binary is ubinary - 128.",
    body: embedBody,
    examples: {
      "Two texts": { texts: ["Hello", "Goodbye"], input_type: "search_document" },
      "Small numbers": {
        texts: ["Hello"],
        input_type: "search_query",
        embedding_types: ["int8", "ubinary"],
      },
    },
    response: { 200: embedAnswer },
  },
  rerank: {
    summary: "Documents by how relevant they are to a query",
    description:
      "By a cross-encoder, if one is loaded: its probability. Otherwise by the cosine of the vectors of query and document, " +
      "where what is below 0 counts as 0. `raw_scores` asks for the model's own numbers. `max_tokens_per_doc` counts all " +
      "that the model reads at once: with a cross-encoder, query and document.",
    body: rerankBody,
    examples: {
      "Three documents": {
        query: "What is the capital of France?",
        documents: ["Pizza is baked.", { text: "Paris is the capital of France." }, "Lyon"],
        top_n: 2,
        return_documents: true,
      },
    },
    response: { 200: rerankAnswer },
  },
} satisfies Readonly<Record<string, FastifySchema>>;
