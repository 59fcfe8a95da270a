import type { Usage } from "../operations/work.js";

/** What Cohere's answers say of themselves: the version of the API and the tokens that the model read. */
export function toMeta(version: string, { tokenCounts }: Usage, searchUnits?: number): object {
  const input_tokens = tokenCounts.reduce((total, count) => total + count, 0);
  return {
    api_version: { version },
    billed_units: searchUnits === undefined ? { input_tokens } : { search_units: searchUnits },
    tokens: { input_tokens },
  };
}
