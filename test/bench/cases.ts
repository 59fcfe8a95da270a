import { startMesh } from "../support/mesh-process.js";
import type { Bench, Row } from "./bench.js";
import { type LoadSpec, singleTexts } from "./load-server.js";
import { paddingShare, readTokenCounts, rssMegabytes } from "./server-facts.js";
import { equalLengths, mixedLengths, type TextLengths } from "./texts.js";

export type Case = (bench: Bench) => Promise<Row[]>;

const textsPerBatch = 32;
const fixedPerSecond = 500;
const overloadFactor = 3;
/** More than the mesh admits (512 waiting), so that what is over it is refused by the mesh, not held by the client. */
const openConnections = 1_024;
const repeatedTexts = 8;
const rounds = 2;

/** By name, in the order they run in. docs/benchmarks.md says what each one means. */
export const cases: Readonly<Record<string, Case>> = {
  "single-1": (bench) => single(bench, 1),
  "single-16": (bench) => single(bench, 16),
  "single-64": (bench) => single(bench, 64),
  "batch-equal": (bench) => batches(bench, "equal length", equalLengths),
  "batch-mixed": (bench) => batches(bench, "4 to 200 tokens", mixedLengths),
  "open-500": openAtFixedRate,
  "open-half": openAtHalf,
  overload,
  cached,
  "four-processes": fourProcesses,
};

async function single(bench: Bench, callers: number): Promise<Row[]> {
  return [await bench.row(`single text, c=${callers}`, singleTexts(callers))];
}

async function batches(bench: Bench, what: string, lengths: TextLengths): Promise<Row[]> {
  const { mesh } = bench;
  const inferenceUrl = mesh.roles.inference?.url ?? mesh.url;
  const rows: Row[] = [];
  for (const callers of [1, 4]) {
    const spec: LoadSpec = {
      protocol: "grpc",
      textsPerCall: textsPerBatch,
      lengths,
      arrivals: { kind: "closed", callers },
    };
    const before = await readTokenCounts(inferenceUrl);
    const row = await bench.row(`gRPC, ${textsPerBatch} texts of ${what}, c=${callers}`, spec);
    const after = await readTokenCounts(inferenceUrl);
    rows.push({ ...row, notes: [`padding ${percent(paddingShare(before, after))}`] });
  }
  return rows;
}

async function openAtFixedRate(bench: Bench): Promise<Row[]> {
  const capacity = await measureCapacity(bench);
  const share = `${percent(fixedPerSecond / capacity)} of what c=64 got (${capacity.toFixed(0)}/s)`;
  const isOver = fixedPerSecond > capacity;
  const notes = isOver ? [`${share}: at or over the capacity of this machine`] : [share];
  return [await openLoop(bench, { perSecond: fixedPerSecond, notes })];
}

async function openAtHalf(bench: Bench): Promise<Row[]> {
  const perSecond = (await measureCapacity(bench)) / 2;
  return [await openLoop(bench, { perSecond, notes: ["half of capacity"] })];
}

async function openLoop(
  bench: Bench,
  { perSecond, notes }: { readonly perSecond: number; readonly notes: string[] },
): Promise<Row> {
  const spec = openSpec(perSecond);
  return await bench.row(`open loop, ${perSecond.toFixed(0)}/s`, spec, { notesOf: () => notes });
}

async function overload(bench: Bench): Promise<Row[]> {
  const capacity = await measureCapacity(bench);
  const { pid } = bench.mesh.gateway;
  const rssBefore = rssMegabytes(pid);
  const spec = openSpec(overloadFactor * capacity);
  const row = await bench.row(`overload, ${overloadFactor}x capacity`, spec, {
    notesOf: ({ textsPerSecond }) => [
      `goodput ${percent(textsPerSecond / capacity)} of capacity (${capacity.toFixed(0)}/s)`,
      `RSS ${rssBefore.toFixed(0)} -> ${rssMegabytes(pid).toFixed(0)} MB`,
    ],
  });
  return [row];
}

async function cached(bench: Bench): Promise<Row[]> {
  const spec = { ...singleTexts(64), distinctTexts: repeatedTexts };
  return [await bench.row(`the same ${repeatedTexts} texts, c=64`, spec)];
}

async function fourProcesses(bench: Bench): Promise<Row[]> {
  const four = await startMesh("four");
  const rows: Row[] = [];
  try {
    await bench.warmUp(four);
    for (let round = 1; round <= rounds; round += 1) {
      const one = await bench.row(`one process, c=64, round ${round}`, singleTexts(64));
      const apart = await bench.row(`four processes, c=64, round ${round}`, singleTexts(64), {
        mesh: four,
        notesOf: ({ textsPerSecond }) => [
          `${percent(textsPerSecond / one.loaded.textsPerSecond)} of one process`,
        ],
      });
      rows.push(one, apart);
    }
  } finally {
    await four.stop();
  }
  return rows;
}

/** Right before the case that needs it, because it drifts. */
async function measureCapacity(bench: Bench): Promise<number> {
  return (await bench.load(singleTexts(64))).textsPerSecond;
}

function openSpec(perSecond: number): LoadSpec {
  const arrivals = { kind: "open", perSecond, connections: openConnections } as const;
  return { protocol: "http", textsPerCall: 1, lengths: equalLengths, arrivals };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
