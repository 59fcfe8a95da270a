import { Command, InvalidArgumentError } from "commander";
import { systemClock } from "../lib/clock.js";
import { readConfig } from "../lib/config.js";
import { MeshError } from "../lib/errors.js";
import { jaegerSchema } from "../lib/jaeger/config.js";

interface Flags {
  readonly jaeger?: URL;
  readonly json?: true;
  readonly all?: true;
}

/** `arrowmesh trace TRACE_ID`: one request through the mesh, from Jaeger, as a tree in the terminal. */
export function createTraceCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("trace")
    .description("Show a trace that Jaeger has: where a request was, and what took how long.")
    .argument(
      "<trace>",
      "its id, TRACE/SPAN, or the value of a traceparent or uber-trace-id header",
    )
    .option("--jaeger <url>", "address of Jaeger's query service [JAEGER_QUERY_URL]", toUrl)
    .option("--json", "print the spans as JSON")
    .option("--all", "show every attribute of every span")
    .action((name: string, flags: Flags) => showTrace(name, flags, env));
}

async function showTrace(name: string, flags: Flags, env: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(jaegerSchema, env);
  // Loaded here only: no other command reads traces.
  const [{ readTraceName }, { JaegerQuery }, { growTree }] = await Promise.all([
    import("../lib/jaeger/trace-name.js"),
    import("../lib/jaeger/jaeger-query.js"),
    import("../lib/jaeger/trace-tree.js"),
  ]);
  const { traceId, spanId } = readTraceName(name);
  const url = flags.jaeger ?? config.url;
  const jaeger = new JaegerQuery({ url, timeoutMs: config.timeoutMs, clock: systemClock });
  const spans = await jaeger.trace(traceId);
  if (spans === undefined) {
    throw new MeshError("not_found", `Jaeger at ${url.host} has no trace ${traceId}`);
  }
  const tree = growTree(spans);
  if (flags.json) {
    const { traceJson } = await import("../lib/jaeger/trace-json.js");
    process.stdout.write(traceJson(tree));
    return;
  }
  const { drawTrace } = await import("../lib/jaeger/draw-trace.js");
  const isColoured = process.stdout.isTTY && process.stdout.hasColors();
  process.stdout.write(drawTrace(tree, { isColoured, isFull: flags.all === true, spanId }));
}

function toUrl(raw: string): URL {
  const { success, data, error } = jaegerSchema.url.parse.safeParse(raw);
  if (success) return data;
  throw new InvalidArgumentError(error.issues.map(({ message }) => message).join("; "));
}
