import { join } from "node:path";
import { packageRoot } from "../../lib/package-root.js";
import { type Mesh, type MeshKind, startMesh } from "../support/mesh-process.js";
import { type Batch, createBatches } from "./limit/batches.js";
import { Limit, type LimitMeasurement } from "./limit/limit.js";
import {
  type Loaded,
  type LoadSpec,
  loadServer,
  singleTexts,
  warmUpSeconds,
} from "./load-server.js";
import { mean } from "./measure.js";
import type { Patience } from "./patience.js";
import { equalLengths, mixedLengths, type TextLengths } from "./texts.js";

/** One line of the result: a load between two measurements of the limit for the same lengths of text. */
export interface Row {
  readonly name: string;
  readonly loaded: Loaded;
  readonly limits: readonly [LimitMeasurement, LimitMeasurement];
  readonly notes: readonly string[];
}

const modelFolder = join(packageRoot, "models/all-MiniLM-L6-v2");

/** A mesh under measurement, and the limit that it is compared with. */
export class Bench {
  readonly mesh: Mesh;
  readonly seconds: number;
  readonly #patience: Patience;
  readonly #limit: Limit;
  readonly #batches: ReadonlyMap<TextLengths, readonly Batch[]>;
  /** Kept until the next load: the limit after a case is also the one before the next. */
  #latest: { readonly lengths: TextLengths; readonly measured: LimitMeasurement } | undefined;

  static async open(options: {
    readonly kind: MeshKind;
    readonly seconds: number;
    readonly patience: Patience;
  }): Promise<Bench> {
    const limit = await Limit.open(join(modelFolder, "onnx/model_int8.onnx"));
    const batches = new Map<TextLengths, readonly Batch[]>();
    for (const lengths of [equalLengths, mixedLengths]) {
      batches.set(lengths, await createBatches(modelFolder, lengths));
    }
    const mesh = await startMesh(options.kind);
    const bench = new Bench({ ...options, mesh, limit, batches });
    try {
      await bench.warmUp(mesh);
    } catch (error) {
      await bench.close();
      throw error;
    }
    return bench;
  }

  private constructor(options: {
    readonly mesh: Mesh;
    readonly seconds: number;
    readonly patience: Patience;
    readonly limit: Limit;
    readonly batches: ReadonlyMap<TextLengths, readonly Batch[]>;
  }) {
    this.mesh = options.mesh;
    this.seconds = options.seconds;
    this.#patience = options.patience;
    this.#limit = options.limit;
    this.#batches = options.batches;
  }

  /** In each process of it, also what only runs where requests gather. */
  async warmUp(mesh: Mesh): Promise<void> {
    await this.#run(singleTexts(64), mesh, warmUpSeconds);
  }

  async load(spec: LoadSpec, mesh: Mesh = this.mesh): Promise<Loaded> {
    return await this.#patience.measure(() => this.#run(spec, mesh, this.seconds));
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
    const url = spec.protocol === "http" ? `${mesh.url}/embed` : mesh.url;
    return await loadServer({ url, pids: pidsOf(mesh) }, spec, seconds);
  }

  async #measureLimit(lengths: TextLengths): Promise<LimitMeasurement> {
    if (this.#latest?.lengths === lengths) return this.#latest.measured;
    const batches = this.#batches.get(lengths) ?? [];
    const measured = await this.#patience.measure(() =>
      this.#limit.measure(batches, this.seconds / 3),
    );
    this.#latest = { lengths, measured };
    return measured;
  }
}

/** The limit that held while the load ran: shared machines drift. */
export function limitOf({ limits: [before, after] }: Row): number {
  return mean([before.textsPerSecond, after.textsPerSecond]);
}

function pidsOf({ gateway, roles }: Mesh): number[] {
  return [gateway, ...Object.values(roles)].map(({ pid }) => pid);
}
