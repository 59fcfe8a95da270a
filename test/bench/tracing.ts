import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Mesh, startMesh } from "../support/mesh-process.js";
import { type Loaded, type LoadSpec, loadServer, singleTexts } from "./load-server.js";
import { mean, median } from "./measure.js";
import type { Patience } from "./patience.js";
import { shown, toMarkdown } from "./table.js";

const warmUpSeconds = 3;
const repeatedTexts = 8;

const loads: Readonly<Record<string, LoadSpec>> = {
  "single text, c=64": singleTexts(64),
  [`the same ${repeatedTexts} texts, c=64`]: { ...singleTexts(64), distinctTexts: repeatedTexts },
};

/** What tracing costs: the same loads on meshes that trace nothing, 1 % and all of it, in turns. A Markdown table. */
export async function compareTracing(options: {
  readonly seconds: number;
  readonly rounds: number;
  readonly patience: Patience;
}): Promise<string> {
  const sink = await startSink();
  const meshes = new Map<string, Mesh>();
  try {
    meshes.set("off", await startMesh("one"));
    meshes.set("1 %", await startMesh("one", traceTo(sink.url, "0.01")));
    meshes.set("100 %", await startMesh("one", traceTo(sink.url, "1")));
    for (const mesh of meshes.values()) {
      for (const spec of Object.values(loads)) await load(mesh, spec, warmUpSeconds);
    }
    const rows: string[][] = [];
    for (const [name, spec] of Object.entries(loads)) {
      const measured = new Map<string, Loaded[]>([...meshes.keys()].map((share) => [share, []]));
      for (let round = 0; round < options.rounds; round += 1) {
        for (const [share, mesh] of rotated([...meshes], round)) {
          const loaded = await options.patience.measure(() => load(mesh, spec, options.seconds));
          measured.get(share)?.push(loaded);
          console.error(`${name}, ${share}: ${loaded.textsPerSecond.toFixed(0)}/s`);
        }
      }
      rows.push(...toRows(name, measured));
    }
    const columns = [
      "case",
      "traced",
      "texts/s",
      "of untraced",
      "server CPU ms/text",
      "of untraced",
    ];
    return toMarkdown(columns, rows);
  } finally {
    for (const mesh of meshes.values()) await mesh.stop();
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

function load(mesh: Mesh, spec: LoadSpec, seconds: number): Promise<Loaded> {
  return loadServer({ url: `${mesh.url}/embed`, pids: [mesh.gateway.pid] }, spec, seconds);
}

/** Whoever comes first has the machine in another state: each is that in turn. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

/** Throughput is compared round by round, the CPU time by its median: the one drifts with the machine, the other jumps. */
function toRows(name: string, measured: ReadonlyMap<string, readonly Loaded[]>): string[][] {
  const [untraced = []] = measured.values();
  const cpuOf = (rounds: readonly Loaded[]): number =>
    median(rounds.map(({ cpuMsPerText }) => cpuMsPerText));
  return [...measured].map(([share, rounds]) => {
    const perSecond = mean(rounds.map(({ textsPerSecond }) => textsPerSecond));
    const ratios = rounds.map(
      ({ textsPerSecond }, at) => textsPerSecond / (untraced[at]?.textsPerSecond ?? Number.NaN),
    );
    const cpu = cpuOf(rounds);
    return [
      ...[name, share, shown(perSecond, 0), `${shown(100 * median(ratios), 1)} %`],
      ...[shown(cpu, 3), `${shown((100 * cpu) / cpuOf(untraced), 1)} %`],
    ];
  });
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
