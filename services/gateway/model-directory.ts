import { basename } from "node:path";
import { InferenceService, type Model } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { Clock } from "../../lib/clock.js";
import { MeshError } from "../../lib/errors.js";
import { pickWeighted } from "../../lib/pick-weighted.js";
import type { CallContext, Channel } from "../../lib/rpc/call.js";
import { noSpan } from "../../lib/tracing/span.js";

/** How old the gateway's knowledge may be before it asks again, in the background. */
const freshMs = 500;
const readMsMax = 5_000;

/** Which models can do what is asked. */
export interface Fitness {
  fits(model: Model): boolean;
  /** For requests that name no model: goes before others that fit. */
  isBest?(model: Model): boolean;
  /** What callers are told when the model they mean does not fit. */
  readonly refusal: string;
}

/** The models that inference serves, as the gateway knows them. */
export interface ModelDirectory {
  /**
   * The version that a request means: by number, by label, or, when empty, by the routes. Without a name: the best
   * that fits, the default model before others. Rejects with `not_found`, or `wrong_task` when it does not fit.
   */
  resolve(name: string, version: string, fitness?: Fitness): Promise<Model>;
  /** The full name of the model that `resolve` would find by what is known now; empty: not known. */
  nameOf(name: string, fitness?: Fitness): string;
  /** Every version that serves; the default model first. */
  list(): Promise<readonly Model[]>;
  /**
   * Asks inference again, for a caller who was told that a version is gone. An answer that is on its way already may be
   * older than that, so it does not count.
   */
  refresh(): Promise<void>;
}

/** Keeps a copy of what inference serves, so that no request waits for it but the first. */
export function createModelDirectory(
  inference: Channel,
  deps: { readonly clock: Clock; readonly random: () => number },
): ModelDirectory {
  const { clock, random } = deps;
  const client = inference.client(InferenceService);
  let models: readonly Model[] | undefined;
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  const read = async (): Promise<void> => {
    const answer = await client.listModels({}, readContext(clock));
    models = answer.models;
    readAtMs = clock.nowMs();
  };
  const join = (): Promise<void> => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  const refresh = (): Promise<void> => {
    if (reading === undefined) return join();
    next ??= reading
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return join();
      });
    return next;
  };
  const known = async (): Promise<readonly Model[]> => {
    if (models === undefined) await join();
    // Nobody waits for this one; whoever needs a model that is gone asks again.
    else if (clock.nowMs() - readAtMs > freshMs) join().catch(() => undefined);
    return models ?? [];
  };

  return {
    async resolve(name, version, fitness = anyModel) {
      const find = (all: readonly Model[]): Model | undefined =>
        pick(all, name === "" ? bestName(all, fitness) : name, version, random);
      let found = find(await known());
      if (found === undefined) {
        await refresh();
        found = find(models ?? []);
      }
      if (found !== undefined) {
        if (fitness.fits(found)) return found;
        throw new MeshError("wrong_task", fitness.refusal);
      }
      const unknown = version === "" ? "unknown model" : `unknown version ${version} of model`;
      throw new MeshError("not_found", `${unknown}: ${name || "the default one"}`);
    },
    nameOf(name, fitness = anyModel) {
      const all = models ?? [];
      const meant = name === "" ? bestName(all, fitness) : name;
      return all.find((model) => isNamed(model, meant))?.name ?? "";
    },
    list: known,
    refresh,
  };
}

const anyModel: Fitness = { fits: () => true, refusal: "" };

/** The name of the default model when it is among the best, or nothing better is there; empty when nothing fits. */
function bestName(models: readonly Model[], { fits, isBest = fits }: Fitness): string {
  const fitting = models.filter(fits);
  const best = fitting.filter(isBest);
  return first(best) ?? first(fitting) ?? "";
}

function first(models: readonly Model[]): string | undefined {
  return (models.find((model) => model.isDefaultModel) ?? models[0])?.name;
}

/** One of the versions that the name and the version or label mean; without a version, in the share of their weights. */
function pick(
  models: readonly Model[],
  name: string,
  version: string,
  random: () => number,
): Model | undefined {
  const named = models.filter((model) => isNamed(model, name));
  if (version !== "") {
    return named.find(
      (model) => model.version === version || model.versionLabels.includes(version),
    );
  }
  const [only] = named;
  if (named.length < 2) return only;
  return pickWeighted(named, random);
}

/** By its name, by its name without the owner, or by none. */
function isNamed({ name, isDefaultModel }: Model, wanted: string): boolean {
  return wanted === "" ? isDefaultModel : wanted === name || wanted === basename(name);
}

function readContext(clock: Clock): CallContext {
  return {
    signal: AbortSignal.timeout(readMsMax),
    deadlineAtMs: clock.nowMs() + readMsMax,
    trace: noSpan,
    requestId: "models",
    clientIp: "",
  };
}
