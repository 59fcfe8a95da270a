import type { Priority } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { ModelSpec } from "../../../lib/model-spec.js";
import type { CallSignal } from "../../../lib/rpc/call-signal.js";
import type { Datatype } from "../../../lib/tensor.js";
import type { Span } from "../../../lib/tracing/span.js";

/** How a tensor of a model is called and shaped. */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: Datatype;
  /** -1 where any size goes. */
  readonly shape: readonly number[];
}

/** A tensor as the Open Inference Protocol has it on the wire. */
export interface NamedTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Row-major, little-endian; BYTES elements each behind a 4-byte length. */
  readonly bytes: Uint8Array;
}

/** What a caller says besides its data. */
export interface WorkOptions {
  readonly priority: Priority;
  readonly caller: string;
  /** Aborts when nobody waits any more; its reason is a MeshError. */
  readonly signal: CallSignal;
  /** Spans of the queue and of batches are below it. */
  readonly trace: Span;
}

/** How often and how long a model ran, since it was loaded. Times in nanoseconds. */
export interface ModelStatistics {
  /** Sequences, or whole requests of tensors, that were answered. */
  readonly inferenceCount: number;
  /** Batches that ran. */
  readonly executionCount: number;
  readonly lastInferenceAtMs: number;
  readonly success: Duration;
  readonly failure: Duration;
  readonly queue: Duration;
  readonly compute: Duration;
}

export interface Duration {
  readonly count: number;
  readonly ns: number;
}

/** One version of a model that answers. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly revision: string;
  readonly spec: ModelSpec;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  readonly statistics: ModelStatistics;
  readonly isHealthy: boolean;
  /**
   * Runs one request of tensors by itself. Names that are missing, unknown or of another type or shape are `invalid`.
   * Returns the outputs that `outputNames` asks for, all of them when it is empty.
   */
  runTensors(
    inputs: readonly NamedTensor[],
    outputNames: readonly string[],
    options: WorkOptions,
  ): Promise<readonly NamedTensor[]>;
}

export type VersionState = "loading" | "ready" | "unloading" | "unavailable";

export interface VersionStatus {
  readonly model: string;
  readonly version: string;
  readonly state: VersionState;
  readonly reason: string;
  readonly revision: string;
}

/** The models of this process. */
export interface ModelRepository {
  versions(): readonly VersionStatus[];
  /** The version that a request means: by number, by label, or, when empty, by the routes. Throws `not_found`. */
  resolve(model: string, version: string): ServedModel;
  load(model: string): Promise<void>;
  unload(model: string): Promise<void>;
}
