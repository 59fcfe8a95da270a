import { z } from "zod";
import { invalid, shown } from "../invalid-file.js";
import type { ConfinedFolder } from "./confined-folder.js";

export interface Prompts {
  readonly prompts: Readonly<Record<string, string>>;
  /** A name among the prompts. */
  readonly defaultPrompt: string | undefined;
}

const file = "config_sentence_transformers.json";
const schema = z.object({
  prompts: z.record(z.string(), z.string()).nullish(),
  default_prompt_name: z.string().nullish(),
});

/** Texts to put before a caller's, by name; none without the file. */
export function readPrompts(folder: ConfinedFolder): Prompts {
  const said = folder.findJson(file, schema);
  const prompts = said?.prompts ?? {};
  const defaultPrompt = said?.default_prompt_name ?? undefined;
  if (defaultPrompt !== undefined && !Object.hasOwn(prompts, defaultPrompt)) {
    throw invalid(file, `default_prompt_name: there is no prompt ${shown(defaultPrompt)}`);
  }
  return { prompts, defaultPrompt };
}
