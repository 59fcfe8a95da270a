import type { ModelSpec } from "../../../lib/model-spec.js";
import { isBig, isNumberDatatype, unpackNumbers } from "../../../lib/oip/elements.js";
import { invalid } from "../../../lib/oip/refusal.js";
import { elementCount, type RawTensor } from "../../../lib/oip/tensors.js";

/** Tokens of one request of raw ids, padding included: they run alone, in one piece, and come back as one tensor each. */
const rawTokensMax = 8_192;
/** A token is of the first text or of the second. */
const tokenTypes = 2;

/** Raw tensors for a model of text must be what its tokenizer could have made; the graph itself checks none of it. */
export function validateIds(spec: ModelSpec, inputs: readonly RawTensor[]): void {
  if (spec.task === "tensors") return;
  for (const [index, input] of inputs.entries()) {
    const field = `inputs[${index}]`;
    requireShape(input, { tokensMax: spec.tokensMax, first: inputs[0], field });
    if (input.name === "input_ids") requireBelow(input, spec.vocabularySize, field);
    if (input.name === "token_type_ids") requireBelow(input, tokenTypes, field);
  }
}

function requireShape(
  { shape }: RawTensor,
  limits: {
    readonly tokensMax: number;
    readonly first: RawTensor | undefined;
    readonly field: string;
  },
): void {
  const { tokensMax, first } = limits;
  const field = `${limits.field}.shape`;
  const [, tokens = 0] = shape;
  if (shape.length !== 2 || tokens > tokensMax) {
    throw invalid(field, `[${shape}]: expected [sequences, 1..${tokensMax} tokens]`);
  }
  if (elementCount(shape) > rawTokensMax) throw invalid(field, `more than ${rawTokensMax} tokens`);
  if (String(shape) !== String(first?.shape)) {
    throw invalid(field, `[${shape}] differs from [${first?.shape}] of the first input`);
  }
}

function requireBelow({ datatype, bytes }: RawTensor, end: number, field: string): void {
  // Types that ids never have are refused where the model's own are known.
  if (!isNumberDatatype(datatype) || !(isBig(datatype) || datatype === "INT32")) return;
  const ids = unpackNumbers(datatype, bytes);
  for (let at = 0; at < ids.length; at += 1) {
    const id = ids[at] ?? 0;
    if (id < 0 || id >= end) throw invalid(field, `id ${id} is not within 0..${end - 1}`);
  }
}
