import type { AttributeValue, TraceSpan } from "./trace-span.js";

/** What a line says of its span, by short names; the first attribute that is there gives the value. */
const chosen: readonly (readonly [string, readonly string[]])[] = [
  [
    "status",
    [
      "http.response.status_code",
      "http.status_code",
      "rpc.response.status_code",
      "rpc.grpc.status_code",
    ],
  ],
  ["error", ["error.type"]],
  ["model", ["gen_ai.request.model"]],
  ["tokens", ["gen_ai.usage.input_tokens"]],
  ["dimensions", ["gen_ai.embeddings.dimension.count"]],
  ["db", ["db.operation.name"]],
];
/** All that is Arrowmesh's own is shown, without its prefix: batch sizes, padding, workers, what a cache had. */
const ownPrefix = "arrowmesh.";
/** The same for all spans of a request, so that roots are enough. */
const toldByRoots = new Set(["arrowmesh.request_id"]);

/** What is worth a glance of a span's attributes, as `name=value`; or every one of them, by its full name. */
export function spanFacts(
  span: TraceSpan,
  options: { readonly isFull: boolean; readonly isRoot: boolean },
): string[] {
  const { attributes } = span;
  if (options.isFull) return Object.entries(attributes).map(([name, value]) => fact(name, value));
  const facts = chosen.flatMap(([label, names]) => {
    const name = names.find((name) => attributes[name] !== undefined);
    const value = name === undefined ? undefined : attributes[name];
    return value === undefined ? [] : [fact(label, value)];
  });
  const own = Object.entries(attributes).filter(
    ([name]) => name.startsWith(ownPrefix) && (options.isRoot || !toldByRoots.has(name)),
  );
  return [...facts, ...own.map(([name, value]) => fact(name.slice(ownPrefix.length), value))];
}

function fact(name: string, value: AttributeValue): string {
  const text = typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
  return `${name}=${/[\s=]/.test(text) ? JSON.stringify(text) : text}`;
}
