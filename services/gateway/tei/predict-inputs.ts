import { z } from "zod";
import { unlessMissing } from "../http/bodies.js";
import type { TextPair } from "../operations/order.js";

/** What is classified: texts and pairs of texts. */
export interface PredictInputs {
  /** Whether the answer is a list of lists. */
  readonly isBatch: boolean;
  readonly inputs: readonly (string | TextPair)[];
}

const textOrPair = z.array(z.string()).min(1).max(2);

/** `"text"`, `["text"]` and `["a", "b"]` are one input; lists in a list are one each. */
export const predictInputs = z
  .union([z.string(), textOrPair, z.array(textOrPair).nonempty()], {
    error: unlessMissing(
      "expected a string, a pair of strings [string, string] or a batch of mixed strings and pairs [[string], [string, string], ...]",
    ),
  })
  .transform(toInputs);

function toInputs(
  given: string | readonly string[] | readonly (readonly string[])[],
): PredictInputs {
  if (typeof given === "string") return { isBatch: false, inputs: [given] };
  const isBatch = Array.isArray(given[0]);
  const rows = (isBatch ? given : [given]) as readonly (readonly string[])[];
  return { isBatch, inputs: rows.map(toInput) };
}

/** Of one text or two. */
function toInput([first = "", second]: readonly string[]): string | TextPair {
  return second === undefined ? first : { first, second };
}
