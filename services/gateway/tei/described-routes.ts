import type { z } from "zod";
import { computeHeaderMeanings } from "../http/compute-headers.js";
import type { ActionName } from "./actions.js";
import * as answers from "./answers.js";
import * as bodies from "./bodies.js";

interface DescribedRoute {
  readonly path: string;
  readonly action: ActionName;
  readonly summary: string;
  readonly body: z.ZodType;
  readonly answer: z.ZodType;
  readonly description?: string;
  readonly examples: Readonly<Record<string, unknown>>;
  readonly answerHeaders?: Readonly<Record<string, string>>;
}

/** The routes with a body of their own. */
export const describedRoutes: readonly DescribedRoute[] = [
  {
    path: "/embed",
    action: "embed",
    summary: "Vectors of texts",
    body: bodies.embedBody,
    answer: answers.embedAnswer,
    examples: {
      "A text": { inputs: "What is deep learning?" },
      "Several texts, with fewer dimensions": { inputs: ["a", "b"], dimensions: 64 },
      "Token ids": { inputs: [[101, 2054, 2003, 2784, 4083, 1029, 102]] },
    },
    answerHeaders: computeHeaderMeanings,
  },
  {
    path: "/embed_all",
    action: "embedAll",
    summary: "Vectors of the tokens of texts, before pooling",
    body: bodies.embedAllBody,
    answer: answers.embedAllAnswer,
    examples: { "A text": { inputs: "What is deep learning?" } },
    answerHeaders: computeHeaderMeanings,
  },
  {
    path: "/embed_sparse",
    action: "embedSparse",
    summary: "Weights of texts over the vocabulary (SPLADE)",
    body: bodies.embedSparseBody,
    answer: answers.embedSparseAnswer,
    description: "Only models with SPLADE pooling can do it; others answer 424.",
    examples: { "A text": { inputs: "What is deep learning?" } },
    answerHeaders: computeHeaderMeanings,
  },
  {
    path: "/predict",
    action: "predict",
    summary: "Scores of labels for texts and pairs of texts, highest first",
    body: bodies.predictBody,
    answer: answers.predictAnswer,
    examples: {
      "A text": { inputs: "I like you." },
      "Several texts, as the model scores them": {
        inputs: [["I like you."], ["I do not."]],
        raw_scores: true,
      },
      "The short form": { text: "I like you.", top_k: 1 },
    },
    answerHeaders: computeHeaderMeanings,
  },
  {
    path: "/rerank",
    action: "rerank",
    summary: "Texts by how well they answer a query, best first",
    body: bodies.rerankBody,
    answer: answers.rerankAnswer,
    examples: {
      "Two texts": {
        query: "What is deep learning?",
        texts: ["A part of machine learning", "A cake"],
      },
      "With their text": { query: "What is deep learning?", texts: ["A cake"], return_text: true },
    },
    answerHeaders: computeHeaderMeanings,
  },
  {
    path: "/similarity",
    action: "similarity",
    summary: "Cosines of one sentence and others",
    body: bodies.similarityBody,
    answer: answers.similarityAnswer,
    examples: {
      "Two sentences": {
        inputs: { source_sentence: "A cat sits.", sentences: ["A cat is sitting.", "It rains."] },
      },
    },
    answerHeaders: computeHeaderMeanings,
  },
  {
    path: "/tokenize",
    action: "tokenize",
    summary: "Tokens of texts, with their places in bytes",
    body: bodies.tokenizeBody,
    answer: answers.tokenizeAnswer,
    examples: { "A text": { inputs: "What is deep learning?" } },
  },
  {
    path: "/decode",
    action: "decode",
    summary: "Texts of token ids",
    body: bodies.decodeBody,
    answer: answers.decodeAnswer,
    examples: { "A text": { ids: [101, 2054, 2003, 2784, 4083, 1029, 102] } },
  },
];
