/** What a number is of. */
export type Unit = "perSecond" | "milliseconds" | "share" | "count";

/** Shown where there is nothing to count. */
export const none = "–";

const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const large = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });

/** A number and its unit by themselves, as a headline shows them. */
export function partsOf(value: number | undefined, unit: Unit): readonly [string, string] {
  if (value === undefined) return [none, ""];
  if (unit === "milliseconds")
    return value < 999.5 ? [number(value), "ms"] : [number(value / 1_000), "s"];
  if (unit === "share") return [number(value * 100), "%"];
  return [number(value), unit === "perSecond" ? "/s" : ""];
}

export function format(value: number | undefined, unit: Unit): string {
  return partsOf(value, unit)
    .filter((part) => part !== "")
    .join(unit === "perSecond" ? "" : " ");
}

export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return none;
  const megabytes = bytes / 1e6;
  return megabytes < 1_000 ? `${number(megabytes)} MB` : `${number(megabytes / 1_000)} GB`;
}

/** The two largest units of it. */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const parts = ages.map(([unit, each, next]) => {
    const whole = Math.floor((seconds % next) / each);
    return whole === 0 ? "" : `${whole} ${unit}`;
  });
  const largest = parts.findIndex((part) => part !== "");
  if (largest < 0) return "0 s";
  return parts
    .slice(largest, largest + 2)
    .join(" ")
    .trimEnd();
}

/** Units in seconds, each with the next larger one. */
const ages = [
  ["d", 86_400, Number.POSITIVE_INFINITY],
  ["h", 3_600, 86_400],
  ["min", 60, 3_600],
  ["s", 1, 60],
] as const;

function number(value: number): string {
  // What is left of a rate after a burst is no number worth three digits.
  if (Math.abs(value) < 0.005) return "0";
  return (value < 10_000 ? numbers : large).format(value);
}
