import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { isModelName } from "./model-folder/model-name.js";

/** A model that could be served: its name and the folder of its versions. */
export interface CatalogModel {
  readonly name: string;
  readonly path: string;
}

/** Where models are found, by name. It looks at the folders when asked, so that models can come and go. */
export class ModelCatalog {
  readonly default: CatalogModel;
  readonly #repository: string | undefined;

  constructor(config: {
    readonly modelId: string;
    readonly modelPath: string;
    readonly modelRepository: string | undefined;
  }) {
    this.default = { name: config.modelId, path: config.modelPath };
    this.#repository = config.modelRepository;
  }

  /** By its name; the default model also by no name and by its name without the owner. */
  find(name: string): CatalogModel | undefined {
    const { default: first } = this;
    if (name === "" || name === first.name || name === basename(first.name)) return first;
    if (this.#repository === undefined || !isModelName(name)) return undefined;
    const path = join(this.#repository, name);
    return isFolder(path) ? { name, path } : undefined;
  }

  /** Every model, the default one first. */
  list(): readonly CatalogModel[] {
    const others = this.#names().flatMap((name) => this.find(name) ?? []);
    return [this.default, ...others.filter((model) => model !== this.default)];
  }

  #names(): readonly string[] {
    if (this.#repository === undefined || !isFolder(this.#repository)) return [];
    return readdirSync(this.#repository).filter(isModelName).sort();
  }
}

/** A link to a folder is one. What cannot be looked at is none. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
