import { availableParallelism } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../lib/package-root.js";
import { type Mesh, type MeshKind, startMesh } from "../support/mesh-process.js";
import { type Batch, createBatches } from "./limit/batches.js";
import { Limit, type LimitMeasurement } from "./limit/limit.js";
import { generateLoad } from "./load/generate-load.js";
import type { LoadOrder, LoadResult } from "./load/order.js";
import { mean } from "./measure.js";
import { cpuSeconds, machineCpuSeconds } from "./server-facts.js";
import { equalLengths, mixedLengths, type TextLengths } from "./texts.js";

/** A load on any mesh. */
export type LoadSpec = Omit<LoadOrder, "url" | "seconds" | "seed">;

/** A load, and what the server spent on it. */
export interface Loaded extends LoadResult {
  readonly cpuMsPerText: number;
  /** Share of all cores that programs beside the bench used, or that a hypervisor took. */
  readonly othersShare: number;
}

/** One line of the result: a load between two measurements of the limit for the same lengths of text. */
export interface Row {
  readonly name: string;
  readonly loaded: Loaded;
  readonly limits: readonly [LimitMeasurement, LimitMeasurement];
  readonly notes: readonly string[];
}

const modelFolder = join(packageRoot, "models/all-MiniLM-L6-v2");
const warmUpSeconds = 2;

/** A mesh under measurement, and the limit that it is compared with. */
export class Bench {
  readonly mesh: Mesh;
  readonly seconds: number;
  readonly #limit: Limit;
  readonly #batches: ReadonlyMap<TextLengths, readonly Batch[]>;
  /** Kept until the next load: the limit after a case is also the one before the next. */
  #latest: { readonly lengths: TextLengths; readonly measured: LimitMeasurement } | undefined;
  #seed = Date.now();

  static async open(kind: MeshKind, seconds: number): Promise<Bench> {
    const limit = await Limit.open(join(modelFolder, "onnx/model_int8.onnx"));
    const batches = new Map<TextLengths, readonly Batch[]>();
    for (const lengths of [equalLengths, mixedLengths]) {
      batches.set(lengths, await createBatches(modelFolder, lengths));
    }
    const bench = new Bench({ mesh: await startMesh(kind), seconds, limit, batches });
    await bench.warmUp(bench.mesh);
    return bench;
  }

  private constructor(options: {
    readonly mesh: Mesh;
    readonly seconds: number;
    readonly limit: Limit;
    readonly batches: ReadonlyMap<TextLengths, readonly Batch[]>;
  }) {
    this.mesh = options.mesh;
    this.seconds = options.seconds;
    this.#limit = options.limit;
    this.#batches = options.batches;
  }

  /** Until the code of the hot path is compiled. */
  async warmUp(mesh: Mesh): Promise<void> {
    await this.#run(singleTexts(16), mesh, warmUpSeconds);
  }

  async load(spec: LoadSpec, mesh: Mesh = this.mesh): Promise<Loaded> {
    return await this.#run(spec, mesh, this.seconds);
  }

  /** A load between two measurements of its limit; `notesOf` says what the columns do not. */
  async row(
    name: string,
    spec: LoadSpec,
    options: { readonly mesh?: Mesh; readonly notesOf?: (loaded: Loaded) => string[] } = {},
  ): Promise<Row> {
    const before = await this.#measureLimit(spec.lengths);
    const loaded = await this.load(spec, options.mesh);
    // Read before the limit runs: memory changes while the mesh is idle.
    const notes = options.notesOf?.(loaded) ?? [];
    const after = await this.#measureLimit(spec.lengths);
    return { name, loaded, limits: [before, after], notes };
  }

  async close(): Promise<void> {
    await this.mesh.stop();
    await this.#limit.close();
  }

  async #run(spec: LoadSpec, mesh: Mesh, seconds: number): Promise<Loaded> {
    this.#latest = undefined;
    this.#seed += 1;
    const pids = pidsOf(mesh);
    const url = spec.protocol === "http" ? `${mesh.url}/embed` : mesh.url;
    const read = () => ({
      server: cpuSeconds(pids),
      machine: machineCpuSeconds(),
      wall: performance.now() / 1_000,
    });
    const before = read();
    const result = await generateLoad({ ...spec, url, seconds, seed: this.#seed });
    const after = read();
    const server = after.server - before.server;
    const others = after.machine - before.machine - server - result.generatorSeconds;
    const cores = availableParallelism();
    return {
      ...result,
      cpuMsPerText: (server * 1_000) / (result.answers * spec.textsPerCall),
      othersShare: Math.max(0, others) / (after.wall - before.wall) / cores,
    };
  }

  async #measureLimit(lengths: TextLengths): Promise<LimitMeasurement> {
    if (this.#latest?.lengths === lengths) return this.#latest.measured;
    const batches = this.#batches.get(lengths) ?? [];
    const measured = await this.#limit.measure(batches, this.seconds / 3);
    this.#latest = { lengths, measured };
    return measured;
  }
}

/** The limit that held while the load ran: shared machines drift. */
export function limitOf({ limits: [before, after] }: Row): number {
  return mean([before.textsPerSecond, after.textsPerSecond]);
}

/** Single texts of equal length from callers that wait for each answer. */
export function singleTexts(callers: number): LoadSpec {
  return {
    protocol: "http",
    textsPerCall: 1,
    lengths: equalLengths,
    arrivals: { kind: "closed", callers },
  };
}

function pidsOf({ gateway, roles }: Mesh): number[] {
  return [gateway, ...Object.values(roles)].map(({ pid }) => pid);
}
