import type { Input } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { MeshError } from "../../lib/errors.js";

/** What one encoding is made of. */
export type TokenInput =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "pair"; readonly first: string; readonly second: string }
  | { readonly kind: "ids"; readonly ids: readonly number[] };

/** The part of a request that says what is to be encoded or counted. */
export interface GivenInputs {
  readonly texts: readonly string[];
  readonly inputs: readonly Input[];
}

/** Reads either field, at most `inputsMax` of it. Throws with the name of the place that is wrong. */
export function readInputs(
  { texts, inputs }: GivenInputs,
  inputsMax: number,
  knows: (id: number) => boolean,
): TokenInput[] {
  if (texts.length > 0 && inputs.length > 0) {
    throw new MeshError("invalid", "either texts or inputs, not both");
  }
  const given = texts.length + inputs.length;
  if (given === 0) throw new MeshError("empty", "texts is empty");
  if (given > inputsMax) {
    throw new MeshError("invalid", `${given} ${nameOf(texts)}, at most ${inputsMax}`);
  }
  if (texts.length > 0) {
    return texts.map((text, index) => ({
      kind: "text",
      text: requireText(text, `texts[${index}]`),
    }));
  }
  return inputs.map((input, index) => readInput(input, `inputs[${index}]`, knows));
}

/** Throws `empty` or `invalid` with the place of what is no sequence of known ids. */
export function requireIds(
  ids: readonly number[],
  field: string,
  knows: (id: number) => boolean,
): void {
  const stray = ids.findIndex((id) => !knows(id));
  if (stray < 0) return;
  const place = `${field}[${stray}]`;
  throw refused("invalid", place, `${place}: id ${ids[stray]} is outside the vocabulary`);
}

function readInput({ kind }: Input, field: string, knows: (id: number) => boolean): TokenInput {
  if (kind.case === "text") {
    return { kind: "text", text: requireText(kind.value, `${field}.text`) };
  }
  if (kind.case === "pair") {
    const first = requireText(kind.value.first, `${field}.pair.first`);
    const second = requireText(kind.value.second, `${field}.pair.second`);
    return { kind: "pair", first, second };
  }
  if (kind.case === "ids") {
    const { ids } = kind.value;
    if (ids.length === 0) {
      throw refused("empty", field, "Input validation error: `inputs` cannot be empty");
    }
    requireIds(ids, `${field}.ids.ids`, knows);
    return { kind: "ids", ids };
  }
  throw refused("invalid", field, `${field} is neither text, pair nor ids`);
}

function requireText(text: string, field: string): string {
  if (text.isWellFormed()) return text;
  throw refused("invalid", field, `${field} holds a lone surrogate`);
}

function refused(fault: "empty" | "invalid", field: string, message: string): MeshError {
  return new MeshError(fault, message, { fields: [{ field, description: message }] });
}

function nameOf(texts: readonly string[]): string {
  return texts.length > 0 ? "texts" : "inputs";
}
