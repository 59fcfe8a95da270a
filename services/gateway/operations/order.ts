import type { Priority } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { countCodePoints } from "../../../lib/characters.js";
import { MeshError } from "../../../lib/errors.js";

/** Two texts that are read together. */
export interface TextPair {
  readonly first: string;
  readonly second: string;
}

/** Token ids in place of a text, special tokens included. */
export interface TokenIds {
  readonly ids: readonly number[];
}

/** What one row of an answer is made of. */
export type Input = string | TextPair | TokenIds;

/** Which model a request means. */
export interface ModelName {
  /** Empty means the default model, or one that fits the operation better. */
  readonly model: string;
  /** A version or a label; empty: as the model's routes have it. */
  readonly version: string;
}

/** What every operation on texts wants to know, whatever the protocol of the caller. */
export interface WorkOrder extends ModelName {
  readonly inputs: readonly Input[];
  /** Inputs that the route of the caller allows. */
  readonly inputsMax: number;
  /** Whether an input over the token limit is cut or refused; undefined: the tokenizer's setting. */
  readonly truncate: boolean | undefined;
  /** Which end is cut off; undefined: as the model's tokenizer has it. */
  readonly truncationSide: "left" | "right" | undefined;
  /** A token limit below the model's. */
  readonly tokensMax: number | undefined;
  /** Undefined: the model's default prompt, if it has one. */
  readonly promptName: string | undefined;
  /** What the texts are for, such as a query: stands for the prompt of that name where the model has one. */
  readonly inputType: string | undefined;
  /** Whether special tokens such as [CLS] are added to texts; undefined: yes. */
  readonly isSpecialAdded: boolean | undefined;
  readonly priority: Priority;
  /** Whether all inputs must find room among those in work, or one free place is enough. */
  readonly isAdmittedWhole: boolean;
  /** How the caller wants vectors written; undefined where the protocol has one way only. */
  readonly formats?: readonly string[] | undefined;
  /** Whether it waits for room among those in work, where a single request is refused: for messages of streams. */
  readonly isPatient: boolean;
}

/**
 * What most requests leave unsaid; `Object.assign({}, unsaid, ...)` is an order. An object that is begun by spreading takes
 * V8 a microsecond for each field that it gets afterwards, which is most of what reading a request costs.
 */
export const unsaid = {
  model: "",
  version: "",
  truncate: undefined,
  truncationSide: undefined,
  tokensMax: undefined,
  promptName: undefined,
  inputType: undefined,
  isSpecialAdded: undefined,
  isAdmittedWhole: false,
  isPatient: false,
} as const;

/** Refuses what cannot be work before a model is looked up. The words are those of text-embeddings-inference. */
export function requireCount({
  inputs,
  inputsMax,
  model,
  version,
}: Pick<WorkOrder, "inputs" | "inputsMax" | keyof ModelName>): void {
  if (!model.isWellFormed()) throw refusal("invalid", "model", "`model` is not text");
  if (!version.isWellFormed()) throw refusal("invalid", "version", "`version` is not text");
  if (inputs.length === 0) throw refusal("empty", "inputs", "`inputs` cannot be empty");
  if (inputs.length <= inputsMax) return;
  const message = `batch size ${inputs.length} > maximum allowed batch size ${inputsMax}`;
  throw new MeshError("invalid", message, { fields: [{ field: "inputs", description: message }] });
}

/**
 * Refuses inputs that say nothing or are not text; of a pair, one text says enough. `fieldOf` says where the caller has
 * put them.
 */
export function requireContent(
  inputs: readonly Input[],
  fieldOf: (index: number) => string = (index) => `inputs[${index}]`,
): void {
  for (const [index, input] of inputs.entries()) {
    const field = fieldOf(index);
    if (isEmpty(input)) throw refusal("empty", field, "`inputs` cannot be empty");
    if (!isWellFormed(input)) {
      throw refusal("invalid", field, `\`${field}\` is not well-formed Unicode`);
    }
  }
}

/** A fault of one field, in words that clients of text-embeddings-inference match on. */
export function refusal(fault: "empty" | "invalid", field: string, reason: string): MeshError {
  const message = `Input validation error: ${reason}`;
  return new MeshError(fault, message, { fields: [{ field, description: reason }] });
}

/** Unicode characters of the inputs; of token ids, their number. */
export function countCharacters(inputs: readonly Input[]): number {
  return inputs.reduce((total, input) => total + charactersOf(input), 0);
}

function charactersOf(input: Input): number {
  if (typeof input === "string") return countCodePoints(input);
  if ("ids" in input) return input.ids.length;
  return countCodePoints(input.first) + countCodePoints(input.second);
}

function isEmpty(input: Input): boolean {
  if (typeof input === "string") return input === "";
  if ("ids" in input) return input.ids.length === 0;
  return input.first === "" && input.second === "";
}

function isWellFormed(input: Input): boolean {
  if (typeof input === "string") return input.isWellFormed();
  return "ids" in input || (input.first.isWellFormed() && input.second.isWellFormed());
}
