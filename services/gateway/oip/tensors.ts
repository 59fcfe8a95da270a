import { create } from "@bufbuild/protobuf";
import {
  InferParameterSchema,
  type ModelInferRequest,
  type ModelInferResponse,
} from "../../../gen/inference/grpc_service_pb.js";
import { callerParameter } from "../../../lib/oip/parameters.js";
import { elementCount, type RawTensor, readInputs } from "../../../lib/oip/tensors.js";
import type { CallContext } from "../../../lib/rpc/call.js";
import { inSpan } from "../../../lib/tracing/in-span.js";
import { describeModel, describeOrder } from "../operations/describe-work.js";
import type { InferDeps } from "./gateway.js";

/** take a request -> reserve the tokens of a text model's ids -> inference -> commit, or release on any failure */
export async function inferTensors(
  request: ModelInferRequest,
  context: CallContext,
  deps: Pick<InferDeps, "inference" | "directory" | "limiter">,
): Promise<ModelInferResponse> {
  return await inSpan("predict", context, async (inner, span) => {
    const { inputs } = request;
    const model = deps.directory.nameOf(request.modelName);
    describeOrder(span, "tensors", { model, inputs: inputs.length });
    const response = await inferLimited(request, inner, deps);
    const { modelName, modelVersion } = response;
    describeModel(span, { model: modelName, version: modelVersion });
    return response;
  });
}

async function inferLimited(
  request: ModelInferRequest,
  context: CallContext,
  { inference, directory, limiter }: Pick<InferDeps, "inference" | "directory" | "limiter">,
): Promise<ModelInferResponse> {
  const { modelName, modelVersion } = request;
  return await limiter.withRequest(context, directory.nameOf(modelName), async () => {
    const inputs = readInputs(request);
    const forwarded = withCaller(request, context);
    const { name, tokensMax } = await directory.resolve(modelName, modelVersion);
    const tokens = tokensMax > 0 ? tokensOf(inputs) : 0;
    if (tokens === 0) return await inference.modelInfer(forwarded, context);

    context.trace.set("gen_ai.usage.input_tokens", tokens);
    const reservation = await limiter.reserveTokens(tokens, context, name);
    try {
      const response = await inference.modelInfer(forwarded, context);
      reservation.commit();
      if (context.callRecord !== undefined) {
        context.callRecord.version = response.modelVersion;
        context.callRecord.tokens += tokens;
      }
      return response;
    } catch (error) {
      reservation.release();
      throw error;
    }
  });
}

/** Ids of padding count: they cost the model as much as others. */
function tokensOf(inputs: readonly RawTensor[]): number {
  return Math.max(0, ...inputs.map(({ shape }) => elementCount(shape)));
}

/** Says for whom inference works; callers share a model's time evenly, so none may choose another's name. */
function withCaller(request: ModelInferRequest, { clientIp }: CallContext): ModelInferRequest {
  const caller = create(InferParameterSchema, {
    parameterChoice: { case: "stringParam", value: `ip:${clientIp}` },
  });
  return { ...request, parameters: { ...request.parameters, [callerParameter]: caller } };
}
