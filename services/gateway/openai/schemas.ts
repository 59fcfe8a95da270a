import type { FastifySchema } from "fastify";
import { z } from "zod";
import type { Protocol } from "../openapi/route-schemas.js";
import {
  classifyAnswer,
  embeddingsAnswer,
  modelAnswer,
  modelsAnswer,
  openAiError,
} from "./answers.js";
import { classifyBody, embeddingsBody } from "./bodies.js";

/** The heading of these routes in the document. */
export const openAi: Protocol = {
  tag: "OpenAI",
  description:
    "The routes of OpenAI's API, for its SDKs and all that speak it, with what vLLM and infinity have beside them.",
  error: {
    schema: openAiError,
    statuses: [400, 401, 404, 413, 415, 429, 500, 503, 504],
  },
};

const embeddings = {
  body: embeddingsBody,
  examples: {
    "A text": { input: "What is deep learning?" },
    "Two texts, 64 dimensions in base64": {
      input: ["Hello", "Goodbye"],
      dimensions: 64,
      encoding_format: "base64",
    },
    "Token ids, a bit for each dimension": { input: [101, 7592, 102], embed_dtype: "ubinary" },
  },
  response: { 200: embeddingsAnswer },
};

const classify = {
  summary: "Labels of texts",
  description:
    "With `labels` (or `candidate_labels`) zero-shot: the vector of each text is compared with those of the labels in the " +
    "sentence `hypothesis_template`. The scores of a text are 1 together (softmax of the cosines over 0.05), or with " +
    "`multi_label` each its own cosine, at least 0. Without labels: the model's own.",
  body: classifyBody,
  examples: {
    "Zero-shot": { input: "The striker scored twice.", labels: ["sports", "politics", "cooking"] },
    "The model's own labels": { input: ["I love it", "I hate it"] },
  },
  response: { 200: classifyAnswer },
};

const model = z.object({
  model: z.string().meta({
    description: "Its id, with or without the owner, and after an `@` a version or a label.",
    examples: ["sentence-transformers/all-MiniLM-L6-v2"],
  }),
});

/** What stands in the document for each route. */
export const schemas = {
  embeddings: { summary: "Vectors of texts", ...embeddings },
  alias: {
    summary: "Vectors of texts by the default model, whatever model is named",
    ...embeddings,
  },
  classify,
  models: { summary: "The models that are served", response: { 200: modelsAnswer } },
  model: {
    paths: {
      "/v1/models/:model": {
        summary: "One model",
        params: model,
        response: { 200: modelAnswer },
      },
    },
  },
} satisfies Readonly<Record<string, FastifySchema>>;
