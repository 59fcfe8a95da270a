import { MeshError, toMeshError } from "../../../lib/errors.js";
import type { CatalogModel, ModelCatalog } from "../../../lib/model-catalog.js";
import { readRevision } from "../../../lib/model-folder/revision.js";
import { type Route, readServing } from "../../../lib/model-folder/serving.js";
import { readModelSpec } from "../../../lib/model-folder/spec.js";
import type { VersionFolder } from "../../../lib/model-folder/versions.js";
import type { InferenceConfig } from "../config.js";
import type { Split } from "./limits.js";
import { type LoadDeps, LoadedModel } from "./loaded-model.js";
import { pickRoute } from "./routes.js";
import type { ModelRepository, VersionState, VersionStatus } from "./served-model.js";
import { foldersOf, onlyRoute, routesOf, wantedOf } from "./wanted-versions.js";

/** A model of the catalog and what of it serves. */
interface Entry {
  readonly model: CatalogModel;
  readonly serving: Map<string, LoadedModel>;
  /** Versions that are on their way in or out, or failed. */
  readonly states: Map<string, { readonly state: VersionState; readonly reason: string }>;
  routes: readonly Route[];
  /** Changes of one model happen one after another. */
  last: Promise<unknown>;
}

/** The models of this process: loaded, replaced and unloaded while requests come in. */
export class Repository implements ModelRepository {
  readonly #catalog: ModelCatalog;
  readonly #config: InferenceConfig;
  readonly #deps: LoadDeps;
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();
  /** Models that finish what they accepted. */
  readonly #closing = new Set<Promise<void>>();
  readonly #splits = new Map<string, Split>();
  /** Versions on their way in that take nobody's place. */
  #arrivingCount = 0;
  #isClosed = false;

  constructor(
    catalog: ModelCatalog,
    config: InferenceConfig,
    deps: LoadDeps & { readonly random: () => number },
  ) {
    this.#catalog = catalog;
    this.#config = config;
    this.#deps = deps;
    this.#random = deps.random;
    deps.metrics.observe(() => this.loaded());
  }

  /** Every version that serves, the default one first. */
  loaded(): readonly LoadedModel[] {
    return [...this.#entries.values()].flatMap(({ serving }) => [...serving.values()]);
  }

  /** How requests for a model that name no version are shared out. */
  routesOf(model: LoadedModel): readonly Route[] {
    return this.#entries.get(model.name)?.routes ?? [];
  }

  /** Whether the default model answers, as long as nobody took it out of service. */
  get isReady(): boolean {
    const first = this.#entries.get(this.#catalog.default.name);
    return [...(first?.serving.values() ?? [])].every((model) => model.isHealthy);
  }

  /** Whether requests that name no model mean this one. */
  isDefault({ name }: LoadedModel): boolean {
    return name === this.#catalog.default.name;
  }

  versions(): readonly VersionStatus[] {
    const rows = new Map<string, VersionStatus>();
    const put = (status: VersionStatus): void => {
      rows.set(`${status.model}\n${status.version}`, status);
    };
    for (const { name: model, path } of this.#catalog.list()) {
      for (const { version } of foldersOf(path)) {
        put({ model, version, state: "unavailable", reason: "not loaded", revision: "" });
      }
    }
    for (const { model, serving, states } of this.#entries.values()) {
      for (const [version, said] of states) {
        put({ model: model.name, version, revision: "", ...said });
      }
      for (const [version, { revision }] of serving) {
        const reason = states.get(version)?.reason ?? "";
        put({ model: model.name, version, state: "ready", reason, revision });
      }
    }
    return [...rows.values()];
  }

  resolve(model: string, version: string): LoadedModel {
    const entry = this.#find(model);
    if (entry === undefined || entry.serving.size === 0) {
      throw new MeshError("not_found", `unknown model: ${model}`);
    }
    const wanted =
      version === ""
        ? pickRoute(entry.routes, this.#random)
        : (entry.routes.find((route) => route.label === version)?.version ?? version);
    const found = entry.serving.get(wanted);
    if (found !== undefined) return found;
    throw new MeshError("not_found", `unknown version of ${entry.model.name}: ${version}`);
  }

  async load(model: string): Promise<void> {
    const found = this.#catalog.find(model);
    if (found === undefined) throw new MeshError("not_found", `unknown model: ${model}`);
    const entry = this.#entryOf(found);
    await serially(entry, () => this.#load(entry));
  }

  async unload(model: string): Promise<void> {
    const entry = this.#find(model);
    if (entry === undefined || entry.serving.size === 0) {
      throw new MeshError("not_found", `${model} is not loaded`);
    }
    await serially(entry, async () => {
      const versions = [...entry.serving.keys()];
      await Promise.all(versions.map((version) => this.#retire(entry, version, "unloaded")));
      entry.routes = [];
    });
  }

  /** Replaces the routes of a model until it is loaded again. */
  route(model: string, routes: readonly Route[]): void {
    const { name } = this.resolve(model, "");
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new MeshError("not_found", `unknown model: ${model}`);
    for (const { version } of routes) {
      if (!entry.serving.has(version)) {
        throw new MeshError("not_found", `version ${version} of ${name} does not serve`);
      }
    }
    entry.routes = routes;
  }

  /** Ends every worker, and what is accepted still; what is on its way in ends when it arrives. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const models = this.loaded();
    this.#entries.clear();
    await Promise.all([...models.map((model) => model.close(0)), ...this.#closing]);
  }

  /** By any of its names, whether its folder is still there or not. */
  #find(model: string): Entry | undefined {
    return this.#entries.get(model) ?? this.#entries.get(this.#catalog.find(model)?.name ?? "");
  }

  #entryOf(model: CatalogModel): Entry {
    const known = this.#entries.get(model.name);
    if (known !== undefined) return known;
    const entry: Entry = {
      model,
      serving: new Map(),
      states: new Map(),
      routes: [],
      last: Promise.resolve(),
    };
    this.#entries.set(model.name, entry);
    return entry;
  }

  async #load(entry: Entry): Promise<void> {
    const { path, name } = entry.model;
    const serving = readServing(path);
    const wanted = wantedOf(foldersOf(path), serving, name);
    const failures: MeshError[] = [];
    for (const folder of wanted) {
      const failure = await this.#loadVersion(entry, folder);
      if (failure !== undefined) failures.push(failure);
    }
    const [failure] = failures;
    // What served before goes on: one that cannot be loaded takes nobody's place.
    if (failure !== undefined) throw failure;
    entry.routes = routesOf(serving, wanted);
    const versions = new Set(wanted.map(({ version }) => version));
    for (const version of entry.serving.keys()) {
      if (!versions.has(version)) this.#keep(this.#retire(entry, version, "not served any more"));
    }
  }

  /** Loads one version and lets it take over from the one that served. Returns why it could not. */
  async #loadVersion(
    entry: Entry,
    { version, path }: VersionFolder,
  ): Promise<MeshError | undefined> {
    const { log, metrics } = this.#deps;
    const { name } = entry.model;
    const old = entry.serving.get(version);
    entry.states.set(version, { state: "loading", reason: "" });
    try {
      const model = await this.#inRoom(old, async () => {
        const spec = readModelSpec(path);
        const described = { name, version, revision: readRevision(path), spec };
        const split = this.#splits.get(name);
        return await LoadedModel.open(described, this.#config, this.#deps, split);
      });
      if (this.#isClosed) {
        await model.close(0);
        throw new MeshError("unavailable", "the server is shutting down");
      }
      this.#splits.set(name, model.split);
      entry.serving.set(version, model);
      entry.states.delete(version);
      if (entry.routes.length === 0) entry.routes = [onlyRoute(version)];
      if (old !== undefined) this.#keep(old.close(this.#config.drainMsMax));
      const { device, dtype, revision } = model;
      log.info({ model: name, version, revision, device, dtype, ...model.split }, "model loaded");
      return undefined;
    } catch (thrown) {
      metrics.loadFailed();
      const error = toLoadError(thrown, `${name} version ${version}`);
      entry.states.set(version, { state: "unavailable", reason: error.message });
      log.error({ model: name, version, cause: String(error.cause ?? error) }, "model not loaded");
      return error;
    }
  }

  /** Opens a version if there is room for it, or one whose place it takes. */
  async #inRoom<T>(old: LoadedModel | undefined, open: () => Promise<T>): Promise<T> {
    if (old !== undefined) return await open();
    const { modelsMax } = this.#config;
    if (this.loaded().length + this.#arrivingCount >= modelsMax) {
      throw new MeshError("invalid", `${modelsMax} models serve already (MODELS_MAX)`);
    }
    this.#arrivingCount += 1;
    try {
      return await open();
    } finally {
      this.#arrivingCount -= 1;
    }
  }

  /** Takes a version out of service at once, and ends it when it has finished what it accepted. */
  async #retire(entry: Entry, version: string, reason: string): Promise<void> {
    const model = entry.serving.get(version);
    entry.serving.delete(version);
    const unloading = { state: "unloading", reason } as const;
    entry.states.set(version, unloading);
    await model?.close(this.#config.drainMsMax);
    // It may have been loaded again meanwhile.
    if (entry.states.get(version) === unloading) {
      entry.states.set(version, { state: "unavailable", reason });
    }
    this.#deps.log.info({ model: entry.model.name, version, reason }, "model unloaded");
  }

  #keep(closing: Promise<void>): void {
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}

/** Runs changes of one model one after another, whether those before succeeded or not. */
async function serially<T>(entry: Entry, change: () => Promise<T>): Promise<T> {
  const turn = entry.last.then(change, change);
  entry.last = turn.catch(() => undefined);
  return await turn;
}

/** What ONNX Runtime says of a file is the operator's business, and names paths: the caller hears less. */
function toLoadError(thrown: unknown, what: string): MeshError {
  const error = toMeshError(thrown);
  if (error.fault !== "internal") return error;
  return new MeshError("invalid", `${what} cannot be loaded; the log says why`, { cause: thrown });
}
