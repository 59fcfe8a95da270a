import type { Model } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { readModelName } from "../http/model-name.js";
import type { ModelDirectory } from "../model-directory.js";
import type { OpenAiModel, OpenAiModels } from "./answers.js";

/** Every model under its name, the default one first, and of those with several versions each as `model@version`. */
export async function listModels(
  directory: ModelDirectory,
  created: number,
): Promise<OpenAiModels> {
  const models = await directory.list();
  const names = [...new Set(models.map(({ name }) => name))];
  const data = names.flatMap((name) => {
    const versions = models.filter((model) => model.name === name);
    const [first] = versions;
    if (first === undefined) return [];
    const named = versions.length < 2 ? [] : versions;
    return [
      toOpenAiModel(first, name, created),
      ...named.map((model) => toOpenAiModel(model, `${name}@${model.version}`, created)),
    ];
  });
  return { object: "list", data };
}

/** The model of an id as embeddings take it: with or without its owner, and with a version or label after `@`. */
export async function findModel(
  directory: ModelDirectory,
  id: string,
  created: number,
): Promise<OpenAiModel> {
  const { model, version } = readModelName(id);
  const found = await directory.resolve(model, version);
  const known = version === "" ? found.name : `${found.name}@${version}`;
  return toOpenAiModel(found, known, created);
}

/** The name if it is served, else none, which means the default model. */
export async function servedName(
  directory: ModelDirectory,
  name: string | undefined,
): Promise<string | undefined> {
  const { model } = readModelName(name);
  const models = await directory.list();
  const isServed = models.some((one) => one.name === model || one.name.endsWith(`/${model}`));
  return isServed ? name : undefined;
}

function toOpenAiModel({ name, tokensMax }: Model, id: string, created: number): OpenAiModel {
  const [owner = "", ...rest] = name.split("/");
  return {
    id,
    object: "model",
    created,
    owned_by: rest.length > 0 ? owner : "arrowmesh",
    max_model_len: tokensMax > 0 ? tokensMax : null,
  };
}
