import { z } from "zod";
import { type ConfigOf, integer } from "../config.js";

export type JaegerConfig = ConfigOf<typeof jaegerSchema>;

/** Settings of `arrowmesh trace`. */
export const jaegerSchema = {
  url: {
    env: "JAEGER_QUERY_URL",
    doc: "address of Jaeger's query service",
    parse: httpUrl(),
    fallback: new URL("http://127.0.0.1:16686"),
  },
  timeoutMs: {
    env: "JAEGER_QUERY_TIMEOUT_MS",
    doc: "how long Jaeger may take to answer",
    parse: integer({ min: 1, max: 600_000 }),
    fallback: 10_000,
  },
} as const;

function httpUrl() {
  const message = "expected a URL with http: or https:";
  return z
    .string()
    .refine((raw) => URL.canParse(raw) && /^https?:$/.test(new URL(raw).protocol), message)
    .transform((raw) => new URL(raw));
}
