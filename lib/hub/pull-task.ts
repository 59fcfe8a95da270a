import type { Clock } from "../clock.js";
import { MeshError } from "../errors.js";
import { isModelName } from "../model-folder/model-name.js";
import type { HubConfig } from "./config.js";
import type { Manifest } from "./manifest.js";
import { type ModelReference, quote, readModelReference } from "./names.js";
import type { Retry } from "./retry.js";
import { VersionFolder } from "./version-folder.js";

export interface PullOptions {
  /** `org/name` or `org/name@revision`. */
  readonly source: string;
  /** A branch, tag or commit; `main` if neither this nor `source` says one. */
  readonly revision?: string | undefined;
  /** Patterns that choose ONNX files; empty means all of `onnx/`. */
  readonly include?: readonly string[] | undefined;
  /** The folder of all models. */
  readonly repository: string;
  /** The folder of this model; by default the name in `source`. */
  readonly name?: string | undefined;
  /** 1 by default. */
  readonly version?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PullDeps {
  readonly config: HubConfig;
  readonly clock: Clock;
  /** Evenly in 0..1; spreads retries. */
  readonly random: () => number;
  readonly onEvent?: ((event: PullEvent) => void) | undefined;
}

/** What a pull tells while it works. */
export type PullEvent =
  /** Another pull writes to the same folder. */
  | { readonly kind: "waiting" }
  | { readonly kind: "resolved"; readonly commit: string; readonly bytes: number }
  | { readonly kind: "kept"; readonly path: string }
  /** Often, while `bytes` of `size` are on disk. */
  | {
      readonly kind: "progress";
      readonly path: string;
      readonly bytes: number;
      readonly size: number;
    }
  | { readonly kind: "downloaded"; readonly path: string; readonly size: number }
  | ({ readonly kind: "retrying"; readonly what: string } & Retry);

export interface PulledModel {
  /** The version folder: complete, every byte checked. */
  readonly path: string;
  readonly manifest: Manifest;
  /** Files that came from the hub in this call. */
  readonly downloads: number;
}

/** A pull whose options have been checked. */
export interface PullTask {
  readonly reference: ModelReference;
  readonly include: readonly string[];
  readonly folder: VersionFolder;
  readonly config: HubConfig;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly tell: (event: PullEvent) => void;
}

/** Checks every name before anything touches the network or the disk. */
export function readTask(options: PullOptions, deps: PullDeps, signal: AbortSignal): PullTask {
  const reference = readModelReference(options.source, options.revision);
  const { name = reference.name, version = 1 } = options;
  if (!isModelName(name)) throw new MeshError("invalid", `not a name of a model: ${quote(name)}`);
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new MeshError("invalid", `not a version: ${version}; expected a whole number from 1`);
  }
  const { onEvent: tell = () => {}, ...rest } = deps;
  return {
    ...rest,
    reference,
    include: [...new Set(options.include)].sort(),
    folder: new VersionFolder(options.repository, name, version),
    signal,
    tell,
  };
}
