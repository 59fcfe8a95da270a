import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { freePort, quickStart } from "../support/mesh-process.js";
import { type LoadSpec, loadServer, singleTexts } from "./load-server.js";
import { costOf, type Estimate, type Slice } from "./slices.js";
import { shown, toMarkdown } from "./table.js";

const warmUpSeconds = 5;
const repeatedTexts = 8;

const loads: Readonly<Record<string, LoadSpec>> = {
  "single text, c=64": singleTexts(64),
  [`the same ${repeatedTexts} texts, c=64`]: { ...singleTexts(64), distinctTexts: repeatedTexts },
};
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
      const mesh = await startSwitchedMesh(traceTo(sink.url, ratio));
      try {
        for (const [name, spec] of Object.entries(loads)) {
          await load(mesh, spec, warmUpSeconds);
          await mesh.takeSlices();
          await load(mesh, spec, seconds);
          rows.push(toRow(name, sampled, await mesh.takeSlices()));
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

interface SwitchedMesh {
  readonly url: string;
  readonly pid: number;
  takeSlices(): Promise<readonly Slice[]>;
  stop(): Promise<void>;
}

async function startSwitchedMesh(env: NodeJS.ProcessEnv): Promise<SwitchedMesh> {
  const file = fileURLToPath(new URL("./switched-mesh.js", import.meta.url));
  const child = fork(file, {
    env: {
      ...{ ...process.env, ...quickStart, ...env },
      PORT: String(await freePort()),
    },
  });
  const exited = once(child, "exit");
  const hear = async (): Promise<unknown> => {
    const [message] = await Promise.race([
      once(child, "message"),
      exited.then(([code]) => Promise.reject(new Error(`the mesh ended with code ${code}`))),
    ]);
    return message;
  };
  // The child says nothing else.
  const { port } = (await hear()) as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    async takeSlices() {
      child.send("slices");
      return (await hear()) as Slice[];
    },
    async stop() {
      child.disconnect();
      await exited;
    },
  };
}

function traceTo(url: string, ratio: string): NodeJS.ProcessEnv {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: ratio,
  };
}

async function load(mesh: SwitchedMesh, spec: LoadSpec, seconds: number): Promise<void> {
  const { failures } = await loadServer(
    { url: `${mesh.url}/embed`, pids: [mesh.pid] },
    spec,
    seconds,
  );
  if (failures > 0) throw new Error(`${failures} requests failed`);
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
