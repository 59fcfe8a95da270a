import type { Route } from "../../../lib/model-folder/serving.js";

/** The version that one request gets: each in the share of its weight. Empty when there is no route. */
export function pickRoute(routes: readonly Route[], random: () => number): string {
  const total = routes.reduce((sum, { weight }) => sum + weight, 0);
  let at = random() * total;
  for (const { version, weight } of routes) {
    at -= weight;
    if (at < 0) return version;
  }
  return routes.at(-1)?.version ?? "";
}
