import type { z } from "zod";
import type { ActionName } from "./actions.js";
import * as answers from "./answers.js";
import * as bodies from "./bodies.js";

interface DescribedRoute {
  readonly path: string;
  readonly action: ActionName;
  readonly summary: string;
  readonly body: z.ZodType;
  readonly answer: z.ZodType;
}

/** The routes with a body of their own. */
export const describedRoutes: readonly DescribedRoute[] = [
  {
    path: "/embed",
    action: "embed",
    summary: "Vectors of texts",
    body: bodies.embedBody,
    answer: answers.embedAnswer,
  },
  {
    path: "/embed_all",
    action: "embedAll",
    summary: "Vectors of the tokens of texts, before pooling",
    body: bodies.embedAllBody,
    answer: answers.embedAllAnswer,
  },
  {
    path: "/embed_sparse",
    action: "embedSparse",
    summary: "Weights of texts over the vocabulary (SPLADE)",
    body: bodies.embedSparseBody,
    answer: answers.embedSparseAnswer,
  },
  {
    path: "/predict",
    action: "predict",
    summary: "Scores of labels for texts and pairs of texts, highest first",
    body: bodies.predictBody,
    answer: answers.predictAnswer,
  },
  {
    path: "/rerank",
    action: "rerank",
    summary: "Texts by how well they answer a query, best first",
    body: bodies.rerankBody,
    answer: answers.rerankAnswer,
  },
  {
    path: "/similarity",
    action: "similarity",
    summary: "Cosines of one sentence and others",
    body: bodies.similarityBody,
    answer: answers.similarityAnswer,
  },
  {
    path: "/tokenize",
    action: "tokenize",
    summary: "Tokens of texts, with their places in bytes",
    body: bodies.tokenizeBody,
    answer: answers.tokenizeAnswer,
  },
  {
    path: "/decode",
    action: "decode",
    summary: "Texts of token ids",
    body: bodies.decodeBody,
    answer: answers.decodeAnswer,
  },
];
