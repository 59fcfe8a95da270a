import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../../../lib/clock.js";
import { computeHeaders } from "../http/compute-headers.js";
import type { Usage } from "../operations/work.js";
import { addLimitHeaders } from "./limit-headers.js";

/** What an answer cost and what is left, as OpenAI says it and as text-embeddings-inference does. */
export function addAnswerHeaders(reply: FastifyReply, usage: Usage): void {
  void reply.headers(computeHeaders(usage));
  addLimitHeaders(reply);
  void reply.header("openai-model", usage.model);
}

/** `openai-processing-ms` on every answer of this scope, errors too. */
export function addProcessingTime(scope: FastifyInstance, clock: Clock): void {
  const arrivals = new WeakMap<FastifyRequest, number>();
  scope.addHook("onRequest", (request, _reply, done) => {
    arrivals.set(request, clock.nowMs());
    done();
  });
  scope.addHook("onSend", (request, reply, payload, done) => {
    const nowMs = clock.nowMs();
    const processingMs = Math.round(nowMs - (arrivals.get(request) ?? nowMs));
    void reply.header("openai-processing-ms", processingMs);
    done(null, payload);
  });
}
