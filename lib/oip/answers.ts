import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type GRPCInferenceService,
  InferParameterSchema,
  type ModelInferRequest,
  type ModelInferResponseSchema,
  type ModelStreamInferResponseSchema,
  type ServerMetadataResponseSchema,
} from "../../gen/inference/grpc_service_pb.js";
import { toMeshError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
import type { CallContext, Handlers } from "../rpc/call.js";
import { recordFailure } from "../rpc/call-record.js";
import { inMessageSpan } from "../tracing/in-message-span.js";
import { unsupported } from "./refusal.js";
import type { RawTensor } from "./tensors.js";

export type InferAnswer = MessageInitShape<typeof ModelInferResponseSchema>;
type StreamAnswer = MessageInitShape<typeof ModelStreamInferResponseSchema>;

/** The answer to a request: its outputs raw, as Triton does it. */
export function toInferAnswer(
  { id }: ModelInferRequest,
  model: { readonly name: string; readonly version: string },
  outputs: readonly RawTensor[],
): InferAnswer {
  return {
    modelName: model.name,
    modelVersion: model.version,
    id,
    outputs: outputs.map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape: shape.map(BigInt),
    })),
    rawOutputContents: outputs.map(({ bytes }) => bytes),
  };
}

/** Answers each request of a stream, in order; one that fails is answered by its error, and the stream goes on. */
export function inferEach(
  requests: AsyncIterable<ModelInferRequest>,
  { window, context }: { readonly window: number; readonly context: CallContext },
  infer: (request: ModelInferRequest, context: CallContext) => Promise<InferAnswer>,
): AsyncGenerator<StreamAnswer> {
  return mapOrdered(requests, window, async (request, index): Promise<StreamAnswer> => {
    try {
      const answer = await inMessageSpan(context, index, (inner) => infer(request, inner));
      return { inferResponse: { ...answer, parameters: { ...answer.parameters, ...isFinal } } };
    } catch (thrown) {
      const error = toMeshError(thrown);
      recordFailure(context.callRecord, error);
      return {
        errorMessage: error.message,
        inferResponse: { id: request.id, parameters: isFinal },
      };
    }
  });
}

/** Clients that know models with several answers to one request wait for this. */
const isFinal = {
  triton_final_response: create(InferParameterSchema, {
    parameterChoice: { case: "boolParam", value: true },
  }),
};

export function serverMetadata(
  version: string,
): MessageInitShape<typeof ServerMetadataResponseSchema> {
  const extensions = [
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
  ];
  return { name: "arrowmesh", version, extensions };
}

/** What nobody here implements, answered alike by every role. */
export const absentHandlers: Pick<
  Handlers<typeof GRPCInferenceService>,
  | "systemSharedMemoryStatus"
  | "systemSharedMemoryRegister"
  | "systemSharedMemoryUnregister"
  | "cudaSharedMemoryStatus"
  | "cudaSharedMemoryRegister"
  | "cudaSharedMemoryUnregister"
  | "traceSetting"
  | "logSettings"
> = {
  systemSharedMemoryStatus: () => ({}),
  systemSharedMemoryRegister: () => refuse("shared memory is"),
  systemSharedMemoryUnregister: () => refuse("shared memory is"),
  cudaSharedMemoryStatus: () => ({}),
  cudaSharedMemoryRegister: () => refuse("shared memory is"),
  cudaSharedMemoryUnregister: () => refuse("shared memory is"),
  traceSetting: () => refuse("trace settings (OTEL_* environment variables set them) are"),
  logSettings: () => refuse("log settings (the environment variable LOG_LEVEL sets them) are"),
};

function refuse(what: string): never {
  throw unsupported(what);
}
