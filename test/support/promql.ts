import { parser } from "@prometheus-io/lezer-promql";

/** What a query of Prometheus speaks of. */
export interface QueryTerms {
  /** Each metric with the labels that the query matches on it. */
  readonly selectors: readonly { readonly metric: string; readonly labels: readonly string[] }[];
  /** Labels that it groups or joins by. */
  readonly groupings: readonly string[];
  /** Labels that it makes itself. */
  readonly made: readonly string[];
}

/** Parses with the grammar of Prometheus' own editor; a query that is not PromQL throws. */
export function termsOf(query: string): QueryTerms {
  const selectors: { metric: string; labels: string[] }[] = [];
  const groupings: string[] = [];
  const made: string[] = [];
  let labels = groupings;
  const enter: Readonly<Record<string, (text: string) => void>> = {
    VectorSelector() {
      labels = [];
      selectors.push({ metric: "", labels });
    },
    Identifier(text) {
      const selector = selectors.at(-1);
      if (selector !== undefined) selector.metric = text;
    },
    GroupingLabels() {
      labels = groupings;
    },
    LabelName: (text) => labels.push(text),
    FunctionCall: (text) => made.push(...madeBy(text)),
  };
  parser.parse(query).iterate({
    enter({ name, type, from, to }) {
      if (type.isError) throw new Error(`not PromQL at ${from}: ${query}`);
      enter[name]?.(query.slice(from, to));
    },
  });
  return { selectors, groupings, made };
}

/** label_replace(vector, "made", …) */
function madeBy(call: string): string[] {
  if (!call.startsWith("label_replace(")) return [];
  const strings = [...call.matchAll(/"([^"]*)", "[^"]*", "[^"]*", "[^"]*"\)$/g)];
  return strings.map(([, label = ""]) => label);
}
