import { isDeepStrictEqual } from "node:util";
import type { TeiAnswer, TeiCase } from "./tei-cases.js";

/** How far numbers of the same fp32 weights may be apart. */
const tolerance = 4e-3;
const timingHeaders = [
  "x-compute-time",
  "x-total-time",
  "x-tokenization-time",
  "x-queue-time",
  "x-inference-time",
] as const;
const equalHeaders = [
  "x-compute-type",
  "x-compute-characters",
  "x-compute-tokens",
  "allow",
] as const;

/** Every difference between what was recorded and what was answered, in words. */
export function differencesOf(wanted: TeiCase, answer: TeiAnswer): readonly string[] {
  const found: string[] = [];
  if (answer.status !== wanted.status) found.push(`status ${answer.status}, not ${wanted.status}`);
  found.push(...compareHeaders(wanted, answer));
  const isEmpty = wanted.response === "" && wanted.response_is_text === true;
  compare(isEmpty ? undefined : wanted.response, answer.json, {
    isRandom: ["classifier", "reranker"].includes(wanted.config),
    report: (difference) => found.push(difference),
    path: "body",
  });
  return found;
}

function compareHeaders({ response_headers: wanted }: TeiCase, { headers }: TeiAnswer): string[] {
  const found: string[] = [];
  for (const name of equalHeaders) {
    if (wanted[name] !== headers[name])
      found.push(`${name} is ${headers[name]}, not ${wanted[name]}`);
  }
  for (const name of timingHeaders) {
    const isRight =
      wanted[name] === undefined
        ? headers[name] === undefined
        : /^\d+$/.test(String(headers[name]));
    if (!isRight) found.push(`${name} is ${headers[name]}`);
  }
  const mediaType = (value: unknown) => String(value).split(";")[0];
  const type = wanted["content-type"];
  if (type !== undefined && mediaType(type) !== mediaType(headers["content-type"])) {
    found.push(`content-type is ${headers["content-type"]}, not ${type}`);
  }
  return found;
}

interface Comparison {
  /** Whether numbers come from other random weights: then order and kind count. */
  readonly isRandom: boolean;
  readonly report: (difference: string) => void;
  readonly path: string;
}

function compare(wanted: unknown, given: unknown, comparison: Comparison): void {
  const { path, report } = comparison;
  if (Array.isArray(wanted) && Array.isArray(given)) {
    compareLists(wanted, given, comparison);
    return;
  }
  if (isObject(wanted) && isObject(given)) {
    for (const key of new Set([...Object.keys(wanted), ...Object.keys(given)])) {
      compare(wanted[key], given[key], { ...comparison, path: `${path}.${key}` });
    }
    return;
  }
  if (typeof wanted === "string" && typeof given === "string" && path.endsWith(".embedding")) {
    compare(numbersOf(wanted), numbersOf(given), comparison);
    return;
  }
  const isNear =
    typeof wanted === "number" &&
    typeof given === "number" &&
    Math.abs(wanted - given) <= tolerance;
  if (isNear || isDeepStrictEqual(wanted, given)) return;
  report(`${path}: ${JSON.stringify(given)}, not ${JSON.stringify(wanted)}`);
}

/** Of OpenAI's base64: little-endian float32. */
function numbersOf(base64: string): readonly number[] {
  const bytes = Buffer.from(base64, "base64");
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(4 * at));
}

function compareLists(
  wanted: readonly unknown[],
  given: readonly unknown[],
  comparison: Comparison,
): void {
  const { path, report, isRandom } = comparison;
  if (wanted.length !== given.length)
    report(`${path}: ${given.length} items, not ${wanted.length}`);
  else if (isRandom && isScored(wanted[0])) compareScored(wanted, given, comparison);
  else {
    for (const [at, item] of wanted.entries()) {
      compare(item, given[at], { ...comparison, path: `${path}[${at}]` });
    }
  }
}

/** The same things, highest score first, whatever the scores are. */
function compareScored(
  wanted: readonly unknown[],
  given: readonly unknown[],
  { path, report }: Comparison,
): void {
  const namesOf = (items: readonly unknown[]) =>
    items.map((item) => JSON.stringify({ ...(item as object), score: 0 })).sort();
  if (!isDeepStrictEqual(namesOf(wanted), namesOf(given))) {
    report(`${path}: ${JSON.stringify(given)}, not ${JSON.stringify(wanted)}`);
  }
  const scores = given.map((item) => (isScored(item) ? item.score : Number.NaN));
  const isSorted = scores.every((score, at) => at === 0 || score <= (scores[at - 1] ?? 0));
  if (!isSorted) report(`${path}: scores are not sorted: ${scores}`);
}

function isScored(value: unknown): value is { readonly score: number } {
  return isObject(value) && typeof value.score === "number";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
