import type { Registry } from "prom-client";
import { writeOpenMetrics } from "./openmetrics.js";
import type { Family } from "./register.js";

/** What a scrape is answered with. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

const openMetricsType = "application/openmetrics-text";

/** OpenMetrics for who asks for it, else the text that every scraper reads. Both are written from the same registry. */
export async function expose(registry: Registry, accept: string | undefined): Promise<Exposition> {
  if (!prefersOpenMetrics(accept ?? "")) {
    return { contentType: registry.contentType, body: await registry.metrics() };
  }
  // Ours are families with exemplars where they have some; prom-client's own have none, and its type leaves out names.
  const families = (await registry.getMetricsAsJSON()) as unknown as readonly Family[];
  const contentType = `${openMetricsType}; version=1.0.0; charset=utf-8`;
  return { contentType, body: writeOpenMetrics(families) };
}

/** Whether version 1 of it is named, and the older text is not wanted more. Wildcards mean the older text. */
function prefersOpenMetrics(accept: string): boolean {
  const ranges = accept.toLowerCase().split(",").map(readRange);
  const best = (type: string): number =>
    Math.max(0, ...ranges.filter((range) => range.type === type).map(({ quality }) => quality));
  const wanted = best(openMetricsType);
  return wanted > 0 && wanted >= best("text/plain");
}

function readRange(range: string): { readonly type: string; readonly quality: number } {
  const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
  const parameter = (name: string): string | undefined =>
    parameters.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
  const version = parameter("version")?.replaceAll('"', "") ?? "1.0.0";
  if (type === openMetricsType && !version.startsWith("1.")) return { type, quality: 0 };
  const quality = Number(parameter("q") ?? 1);
  return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}
