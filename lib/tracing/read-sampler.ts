import type { Sampler } from "@opentelemetry/sdk-trace";
import type { TracingConfig } from "./config.js";
import { RatioSampler } from "./ratio-sampler.js";

/** Share of requests that are traced when nothing else is said. */
const defaultRatio = 0.01;

/** The sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name; 1 % of what has no parent by default. */
export function readSampler(
  { sampler, samplerRatio }: Pick<TracingConfig, "sampler" | "samplerRatio">,
  { AlwaysOnSampler, AlwaysOffSampler, ParentBasedSampler }: Samplers,
): Sampler {
  const name = sampler ?? "parentbased_traceidratio";
  const ratio = samplerRatio ?? (sampler === undefined ? defaultRatio : 1);
  const create: Record<RootName, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new RatioSampler(ratio),
  };
  // Each name is a root's, with or without the prefix.
  const root = create[name.replace(/^parentbased_/, "") as RootName]();
  return name.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root;
}

type RootName = "always_on" | "always_off" | "traceidratio";
type Samplers = typeof import("@opentelemetry/sdk-trace");
