import type { Usage } from "../operations/work.js";

/** What Cohere's answers say of themselves: the version of the API and the tokens that the model read. */
export function toMeta(version: string, { tokens }: Usage, searchUnits?: number): object {
  return {
    api_version: { version },
    billed_units:
      searchUnits === undefined ? { input_tokens: tokens } : { search_units: searchUnits },
    tokens: { input_tokens: tokens },
  };
}
