import { windowMsMax } from "../algorithms/quota.js";
import type { Problems } from "../files/problems.js";
import { describe, type YamlNode } from "../files/yaml-node.js";

const secondMs = 1_000;
const msOf: ReadonlyMap<string, number> = new Map([
  ["s", secondMs],
  ["m", 60 * secondMs],
  ["h", 3_600 * secondMs],
  ["d", 86_400 * secondMs],
  ["w", 7 * 86_400 * secondMs],
]);

/** `90s`, `1m`, `24h`, `30d`, `1w`: milliseconds of a window, from a second to a year. */
export function readWindow(node: YamlNode, problems: Problems): number | undefined {
  const [, count = "", unit = ""] =
    /^(\d{1,9})([smhdw])$/.exec(node.kind === "scalar" ? node.source : "") ?? [];
  const windowMs = Number(count) * (msOf.get(unit) ?? 0);
  if (windowMs >= secondMs && windowMs <= windowMsMax) return windowMs;
  problems.add(
    node,
    `window: expected 1s..365d, such as 30s, 1m, 12h, 1d, 1w, found ${describe(node)}`,
  );
  return undefined;
}
