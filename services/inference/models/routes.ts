import type { Route } from "../../../lib/model-folder/serving.js";
import { pickWeighted } from "../../../lib/pick-weighted.js";

/** The version that one request gets: each in the share of its weight. Empty when there is no route. */
export function pickRoute(routes: readonly Route[], random: () => number): string {
  return (pickWeighted(routes, random) ?? routes.at(-1))?.version ?? "";
}
