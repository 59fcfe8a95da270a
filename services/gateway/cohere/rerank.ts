import type { FastifyReply, FastifyRequest } from "fastify";
import { contextOf } from "../http/app.js";
import { inWordsOf } from "../http/field-names.js";
import { readModelName } from "../http/model-name.js";
import { urgencyOf } from "../openai/embeddings.js";
import { addAnswerHeaders } from "../openai/headers.js";
import { unsaid } from "../operations/order.js";
import type { Rerank } from "../operations/rerank.js";
import type { RerankBody } from "./bodies.js";
import { toMeta } from "./meta.js";

/** What callers call the fields of an operation. */
const fieldNames = {
  inputs: "documents",
  texts: "documents",
  tokens_max: "max_tokens_per_doc",
};

/** body -> scores -> the answer that Cohere, Jina and vLLM share, most relevant first */
export async function answerRerank(
  body: RerankBody,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  {
    rerank,
    inputsMax,
    apiVersion,
  }: { readonly rerank: Rerank; readonly inputsMax: number; readonly apiVersion: string },
): Promise<FastifyReply> {
  const { query, documents: texts, top_n: top = texts.length, raw_scores: isRaw = false } = body;
  const context = contextOf(request);
  const own = {
    query,
    texts,
    isRaw,
    inputsMax,
    tokensMax: body.max_tokens_per_doc,
    priority: urgencyOf(body, request),
  };
  const order = Object.assign({}, unsaid, readModelName(body.model), own);
  const { ranks, usage } = await inWordsOf(fieldNames, rerank(order, context));
  addAnswerHeaders(reply, usage);
  const { tokens } = usage;
  return reply.send({
    id: context.requestId,
    model: usage.model,
    results: ranks.slice(0, top).map(({ index, score }) => ({
      index,
      relevance_score: isRaw ? score : toRelevance(score),
      ...(body.return_documents === true && { document: { text: texts[index] } }),
    })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    meta: toMeta(apiVersion, usage, 1),
  });
}

/** Relevance is 0..1, as the probabilities of cross-encoders are; of cosines, those below 0 mean none. */
function toRelevance(score: number): number {
  return Math.min(1, Math.max(0, score));
}
