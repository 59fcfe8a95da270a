import { MeshError } from "../../lib/errors.js";
import type { Prompts } from "../../lib/model-folder/prompts.js";

/**
 * What goes before each input; empty when the model has no default prompt and the call names none. The words of refusal
 * are those of text-embeddings-inference, which clients match on.
 */
export function promptOf({ prompts, defaultPrompt }: Prompts, name: string | undefined): string {
  const wanted = name ?? defaultPrompt;
  if (wanted === undefined) return "";
  const prompt = Object.hasOwn(prompts, wanted) ? prompts[wanted] : undefined;
  if (prompt !== undefined) return prompt;
  const names = Object.keys(prompts).map((known) => JSON.stringify(known));
  const reason =
    names.length === 0
      ? "no prompts were found in the Sentence Transformers configuration"
      : `it was not found in the Sentence Transformers prompts. Available prompts: [${names.join(", ")}]`;
  const message = `\`default-prompt-name\` is set to \`${wanted}\` but ${reason}`;
  throw new MeshError("invalid", `Input validation error: ${message}`, {
    fields: [{ field: "prompt_name", description: message }],
  });
}
