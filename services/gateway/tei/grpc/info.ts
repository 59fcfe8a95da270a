import { type Model, Task } from "../../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { Info, ModelType } from "../../../../gen/tei/v1/tei_pb.js";
import { type Binding, bind } from "../../../../lib/rpc/call.js";
import type { GatewayConfig } from "../../config.js";
import type { ModelDirectory } from "../../model-directory.js";

/** tei.v1.Info -> what the default model is and how much of it a caller may ask for */
export function createTeiInfo(
  config: Pick<GatewayConfig, "nativeInputsMax" | "admittedInputsMax">,
  { directory, version }: { readonly directory: ModelDirectory; readonly version: string },
): Binding {
  return bind(Info, {
    async info() {
      const model = await directory.resolve("", "");
      return {
        version,
        modelId: model.name,
        modelDtype: model.dtype,
        modelType: typeOf(model),
        maxConcurrentRequests: config.admittedInputsMax,
        maxInputLength: model.tokensMax,
        maxBatchTokens: model.batchTokensMax,
        maxBatchRequests: model.batchSequencesMax,
        maxClientBatchSize: config.nativeInputsMax,
        // Of each tokenizer; how many of them there are is not the gateway's to know.
        tokenizationWorkers: 1,
      };
    },
  });
}

/** Models of tensors and sparse vectors have no name of their own in the contract. */
function typeOf({ task }: Model): ModelType {
  if (task === Task.CLASSIFICATION) return ModelType.CLASSIFIER;
  return task === Task.RERANKING ? ModelType.RERANKER : ModelType.EMBEDDING;
}
