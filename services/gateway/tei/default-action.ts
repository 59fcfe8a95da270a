import { z } from "zod";
import { Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../../lib/errors.js";
import type { ModelDirectory } from "../model-directory.js";
import type { Action, ActionName } from "./actions.js";

const actionOf: Readonly<Record<Task, ActionName | undefined>> = {
  [Task.EMBEDDING]: "embed",
  [Task.CLASSIFICATION]: "predict",
  [Task.RERANKING]: "rerank",
  [Task.SPARSE_EMBEDDING]: "embedSparse",
  [Task.UNSPECIFIED]: undefined,
};

/** What the default model is for: the meaning of a body that was posted to no route in particular. */
export async function defaultActionName(directory: ModelDirectory): Promise<ActionName> {
  const { task } = await directory.resolve("", "");
  const name = actionOf[task];
  if (name !== undefined) return name;
  throw new MeshError("wrong_task", "Backend error: Model takes tensors, not text");
}

/**
 * POST / and /invocations: whatever the default model does. On an embedding model, an object as `inputs` asks for the
 * similarity of sentences: huggingface_hub posts that to the address of a server.
 */
export function createDefaultAction(
  actions: Readonly<Record<ActionName, Action>>,
  directory: ModelDirectory,
): Action {
  return async (read, caller) => {
    const name = await defaultActionName(directory);
    const isComparing = name === "embed" && read(probe).isComparing;
    return await actions[isComparing ? "similarity" : name](read, caller);
  };
}

/** Whether `inputs` is an object; any other body is left to whoever reads it. */
const probe = z.unknown().transform((body) => ({
  isComparing: z.object({ inputs: z.object() }).safeParse(body).success,
}));
