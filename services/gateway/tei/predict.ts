import type { z } from "zod";
import { MeshError } from "../../../lib/errors.js";
import { shortFloat } from "../http/json-floats.js";
import type { Scored } from "../operations/classify.js";
import type { Operations } from "../operations/operations.js";
import { unsaid } from "../operations/order.js";
import type { Action } from "./actions.js";
import { predictBody, readTruncation } from "./bodies.js";

type Body = z.infer<typeof predictBody>;

/** texts and pairs -> scores of labels, highest first */
export function createPredict(
  { classify }: Pick<Operations, "classify">,
  inputsMax: number,
): Action {
  return async (read, { context, priority }) => {
    const body = read(predictBody);
    const { inputs } = body.inputs ?? { inputs: [body.text ?? ""] };
    const activation = body.parameters?.function_to_apply;
    const topK = body.top_k ?? body.parameters?.top_k;
    if (topK === 0)
      throw new MeshError("invalid", "Input validation error: `top_k` should be positive");
    const isRaw = (body.raw_scores ?? false) || activation !== undefined;
    const own = { inputs, inputsMax, priority, isAdmittedWhole: true, isRaw };
    const order = Object.assign({}, unsaid, readTruncation(body), own);
    const { predictions, usage } = await classify(order, context);
    const activate = body.raw_scores ? activations.none : activations[activation ?? "none"];
    const rows = predictions.map((scores) => activate(scores).slice(0, topK).map(toPrediction));
    const answer = toAnswer(body, rows, usage);
    return { json: Buffer.from(JSON.stringify(answer)), usage };
  };
}

/** The one form of an answer that says which model it is from belongs to the short form of the request. */
function toAnswer(
  body: Body,
  rows: readonly (readonly Scored[])[],
  usage: { readonly model: string; readonly timing: { readonly totalMs: number } },
): unknown {
  if (body.inputs?.isBatch) return rows;
  const [predictions = []] = rows;
  if (body.inputs !== undefined) return predictions;
  const latency_ms = Math.round(usage.timing.totalMs * 1_000) / 1_000;
  return { predictions, model: usage.model, latency_ms };
}

/** What huggingface_hub calls `function_to_apply`, over raw scores; each keeps their order. */
const activations = {
  none: (scores: readonly Scored[]) => scores,
  sigmoid: (scores: readonly Scored[]) =>
    scores.map(({ label, score }) => ({ label, score: 1 / (1 + Math.exp(-score)) })),
  softmax(scores: readonly Scored[]) {
    const greatest = scores[0]?.score ?? 0;
    const sum = scores.reduce((total, { score }) => total + Math.exp(score - greatest), 0);
    return scores.map(({ label, score }) => ({ label, score: Math.exp(score - greatest) / sum }));
  },
} as const;

function toPrediction({ label, score }: Scored): Scored {
  return { score: shortFloat(score), label };
}
