import { MeshError } from "../../../lib/errors.js";
import type { GatewayConfig } from "../config.js";
import type { ModelDirectory } from "../model-directory.js";
import type { Action, ActionName, Caller } from "./actions.js";
import { readTeiValue, rerankBody, vertexBody } from "./bodies.js";
import { defaultActionName } from "./default-action.js";

/** Each instance is a request of its own, for what the default model does; the answers keep their order. */
export function createVertex(
  { inputsMax }: Pick<GatewayConfig, "inputsMax">,
  actions: Readonly<Record<ActionName, Action>>,
  directory: ModelDirectory,
): Action {
  const answer = async (instance: unknown, usual: ActionName, caller: Caller): Promise<Buffer> => {
    // Only these bodies cannot be mistaken for others.
    const isRerank = rerankBody.safeParse(instance).success;
    const action = actions[isRerank ? "rerank" : usual];
    return (await action((schema) => readTeiValue(schema, instance), caller)).json;
  };

  return async (read, caller) => {
    const { instances } = read(vertexBody);
    const count = instances.length;
    if (count > inputsMax) {
      throw new MeshError(
        "invalid",
        `batch size ${count} > maximum allowed batch size ${inputsMax}`,
      );
    }
    const usual = await defaultActionName(directory);
    const settled = await Promise.allSettled(
      instances.map((instance) => answer(instance, usual, caller)),
    );
    const predictions = settled.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    });
    const commas = predictions.flatMap((json, at) => (at === 0 ? [json] : [comma, json]));
    return { json: Buffer.concat([Buffer.from('{"predictions":['), ...commas, Buffer.from("]}")]) };
  };
}

const comma = Buffer.from(",");
