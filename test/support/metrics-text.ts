/** Metrics of a process as they were scraped. */
export interface Scrape {
  readonly text: string;
  /** By name of the metric: its type, and each series by its labels. */
  readonly families: ReadonlyMap<string, ScrapedFamily>;
  /** The value of a series by its whole name, `name{a="b"}` say; undefined: there is none. */
  value(series: string): number | undefined;
}

export interface ScrapedFamily {
  readonly type: string;
  /** Lines of the text before their value. */
  readonly series: readonly string[];
  /** Names of labels, those of buckets excepted. */
  readonly labels: ReadonlySet<string>;
}

const labelPattern = /([a-zA-Z_]\w*)="(?:[^"\\]|\\.)*"/g;

/** Reads the older text, whose metrics stand behind their `# TYPE`. */
export async function scrape(url: string): Promise<Scrape> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const values = new Map<string, number>();
  const families = new Map<string, ScrapedFamily>();
  for (const block of text.split(/^# HELP .*\n/m).slice(1)) {
    const [head = "", ...lines] = block.trim().split("\n");
    const [, , name = "", type = ""] = head.split(" ");
    const series = lines.map((line) => line.slice(0, line.lastIndexOf(" ")));
    for (const [at, line] of lines.entries()) {
      values.set(series[at] ?? "", Number(line.slice(line.lastIndexOf(" ") + 1)));
    }
    const labels = new Set(
      series.flatMap((line) => [...line.matchAll(labelPattern)].map(([, label = ""]) => label)),
    );
    labels.delete("le");
    families.set(name, { type, series, labels });
  }
  return { text, families, value: (series) => values.get(series) };
}
