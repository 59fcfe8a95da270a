import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { forkMesh } from "./forked-mesh.js";
import { overheadLoads, warmUpSeconds } from "./load-server.js";
import { costOf, type Estimate, type Slice } from "./slices.js";
import { shown, toMarkdown } from "./table.js";

/** By what is sampled of the requests. */
const ratios = { "1 %": "0.01", "100 %": "1" } as const;

/**
 * What tracing costs: meshes that trace in every other half of a second, under load. Processes of the same code differ by
 * 5 %, and the same process by 10 % from second to second, which is more than what is looked for. A Markdown table.
 */
export async function compareTracing({ seconds }: { readonly seconds: number }): Promise<string> {
  const sink = await startSink();
  try {
    const rows: string[][] = [];
    for (const [sampled, ratio] of Object.entries(ratios)) {
      const mesh = await forkMesh("./switched-mesh.js", traceTo(sink.url, ratio));
      const takeSlices = async () => (await mesh.ask("slices")) as Slice[];
      try {
        for (const [name, spec] of Object.entries(overheadLoads)) {
          await mesh.load(spec, warmUpSeconds);
          await takeSlices();
          await mesh.load(spec, seconds);
          rows.push(toRow(name, sampled, await takeSlices()));
          console.error(rows.at(-1)?.join(", "));
        }
      } finally {
        await mesh.stop();
      }
    }
    const columns = ["case", "sampled", "texts/s", "of untraced", "CPU of untraced", "us more"];
    return toMarkdown(columns, rows);
  } finally {
    await sink.stop();
  }
}

function traceTo(url: string, ratio: string): NodeJS.ProcessEnv {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: ratio,
  };
}

function toRow(name: string, sampled: string, slices: readonly Slice[]): string[] {
  const { requestsPerSecond, throughput, cpu, cpuSecondsMore } = costOf(slices);
  return [
    ...[name, sampled, shown(requestsPerSecond, 0), percent(throughput), percent(cpu)],
    shown(cpuSecondsMore * 1e6, 0),
  ];
}

function percent({ median, error }: Estimate): string {
  return `${shown(100 * median, 1)} ± ${shown(100 * error, 1)} %`;
}

async function startSink(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const file = fileURLToPath(new URL("./trace-sink.js", import.meta.url));
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [port] = await Promise.race([
    once(child.stdout, "data"),
    exited.then(([code]) => Promise.reject(new Error(`the sink ended with code ${code}`))),
  ]);
  return {
    url: `http://127.0.0.1:${String(port).trim()}`,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
