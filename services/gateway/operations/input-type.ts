import { refusal } from "./order.js";

/** What a text is for, in the words of Cohere, Voyage, NVIDIA and sentence-transformers; a line has one meaning. */
const meanings: readonly (readonly string[])[] = [
  ["search_query", "query"],
  ["search_document", "document", "passage", "corpus"],
  ["classification"],
  ["clustering"],
];

/**
 * The model's prompt for what a text is for: of that name, or of another name for the same. Undefined for models that
 * make no such difference.
 */
export function promptNameOf(
  inputType: string | undefined,
  promptNames: readonly string[],
): string | undefined {
  if (inputType === undefined) return undefined;
  if (promptNames.includes(inputType)) return inputType;
  const names = meanings.find((words) => words.includes(inputType));
  if (names !== undefined) return names.find((name) => promptNames.includes(name));
  const known = [...meanings.flat(), ...promptNames].map((word) => `\`${word}\``).join(", ");
  throw refusal("invalid", "input_type", `\`input_type\` must be one of ${known}`);
}
