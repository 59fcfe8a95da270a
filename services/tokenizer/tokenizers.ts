import { LRUCache } from "lru-cache";
import { MeshError } from "../../lib/errors.js";
import type { ModelCatalog } from "../../lib/model-catalog.js";
import { readRevision } from "../../lib/model-folder/revision.js";
import { readModelSpec } from "../../lib/model-folder/spec.js";
import { findVersions, type VersionFolder } from "../../lib/model-folder/versions.js";
import type { ModelSpec } from "../../lib/model-spec.js";
import { Encoder, type EncoderDeps } from "./encoder.js";
import { type ReadTokenizer, readTokenizer } from "./read-tokenizer.js";
import { Vocabulary } from "./vocabulary.js";

type TextModel = Exclude<ModelSpec, { task: "tensors" }>;

/** Which tokenizer a call means. */
export interface TokenizerName {
  readonly model: string;
  readonly version: string;
  readonly revision: string;
}

/** The tokenizer of one version of a model. */
export interface OpenTokenizer extends Omit<ReadTokenizer, "json"> {
  /** Name of the model. */
  readonly name: string;
  readonly spec: TextModel;
  readonly encoder: Encoder;
  readonly vocabulary: Vocabulary;
}

/** Opens tokenizers when they are first asked for, and keeps those that are in use. */
export class Tokenizers {
  readonly #catalog: ModelCatalog;
  readonly #deps: EncoderDeps;
  readonly #open: LRUCache<string, OpenTokenizer>;

  constructor(catalog: ModelCatalog, modelsMax: number, deps: EncoderDeps) {
    this.#catalog = catalog;
    this.#deps = deps;
    this.#open = new LRUCache({ max: modelsMax });
  }

  /** Throws `not_found`, or `invalid` when the files are not those of a text model. */
  get({ model, version, revision }: TokenizerName): OpenTokenizer {
    const key = keyOf(model, version, revision);
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    try {
      const found = this.#find(model, version);
      // The same files may be open under another name of theirs: reading them holds up everything else.
      const own = keyOf(found.name, found.version, readRevision(found.path));
      const opened = this.#open.get(own) ?? this.#read(found.name, found.path);
      this.#open.set(own, opened);
      this.#open.set(key, opened);
      return opened;
    } catch (error) {
      // Its folder may have gone in the meantime, which is no fault of its files: then this one says so.
      this.#find(model, version);
      throw error;
    }
  }

  #find(model: string, version: string): VersionFolder & { readonly name: string } {
    const found = this.#catalog.find(model);
    if (found === undefined) throw new MeshError("not_found", `unknown model: ${model}`);
    const folders = findVersions(found.path);
    const folder =
      version === "" ? folders.at(-1) : folders.find((other) => other.version === version);
    if (folder !== undefined) return { ...folder, name: found.name };
    throw new MeshError("not_found", `unknown version of ${found.name}: ${version}`);
  }

  #read(name: string, path: string): OpenTokenizer {
    const spec = readModelSpec(path);
    if (spec.task === "tensors") throw new MeshError("invalid", `${name} takes tensors, not text`);
    // The vocabulary is large, and nobody needs what was read of it for longer.
    const { json, ...read } = readTokenizer(path);
    const encoder = new Encoder({ native: read.native, json }, this.#deps);
    return { ...read, name, spec, encoder, vocabulary: new Vocabulary(read.native) };
  }
}

function keyOf(model: string, version: string, revision: string): string {
  return `${model}\n${version}\n${revision}`;
}
