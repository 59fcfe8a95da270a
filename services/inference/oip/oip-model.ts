import { basename } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ModelStatisticsSchema,
  StatisticDurationSchema,
} from "../../../gen/inference/grpc_service_pb.js";
import { DataType, type ModelConfigSchema } from "../../../gen/inference/model_config_pb.js";
import type { Datatype } from "../../../lib/tensor.js";
import type { Duration, ServedModel, TensorMetadata } from "../models/served-model.js";

/** What Triton calls ONNX files that ONNX Runtime runs. */
export const platform = "onnxruntime_onnx";

/** A model as Triton's model configuration has it. */
export function configOf(model: ServedModel): MessageInitShape<typeof ModelConfigSchema> {
  const { name, spec } = model;
  const facts: Record<string, string> = { task: spec.task, revision: model.revision };
  if (spec.task !== "tensors") facts.tokens_max = String(spec.tokensMax);
  const parameters = Object.entries(facts).map(([key, stringValue]) => [key, { stringValue }]);
  const [file] = Object.values(spec.files);
  return {
    name,
    platform,
    backend: "onnxruntime",
    versionPolicy: { policyChoice: { case: "all", value: {} } },
    maxBatchSize: 0,
    input: model.inputs.map(toConfigTensor),
    output: model.outputs.map(toConfigTensor),
    defaultModelFilename: basename(file ?? ""),
    parameters: Object.fromEntries(parameters),
  };
}

/** The counters of a model as Triton's statistics have them. */
export function statisticsOf({
  name,
  version,
  statistics,
}: ServedModel): MessageInitShape<typeof ModelStatisticsSchema> {
  const { success, failure, queue, compute } = statistics;
  const none = { count: 0n, ns: 0n };
  return {
    name,
    version,
    lastInference: toWhole(statistics.lastInferenceAtMs),
    inferenceCount: toWhole(statistics.inferenceCount),
    executionCount: toWhole(statistics.executionCount),
    inferenceStats: {
      success: toDuration(success),
      fail: toDuration(failure),
      queue: toDuration(queue),
      computeInput: none,
      computeInfer: toDuration(compute),
      computeOutput: none,
      cacheHit: none,
      cacheMiss: none,
    },
  };
}

function toConfigTensor({ name, datatype, shape }: TensorMetadata) {
  return { name, dataType: dataTypeOf[datatype], dims: shape.map(BigInt) };
}

const dataTypeOf: Readonly<Record<Datatype, DataType>> = {
  BOOL: DataType.TYPE_BOOL,
  UINT8: DataType.TYPE_UINT8,
  UINT16: DataType.TYPE_UINT16,
  UINT32: DataType.TYPE_UINT32,
  UINT64: DataType.TYPE_UINT64,
  INT8: DataType.TYPE_INT8,
  INT16: DataType.TYPE_INT16,
  INT32: DataType.TYPE_INT32,
  INT64: DataType.TYPE_INT64,
  FP16: DataType.TYPE_FP16,
  FP32: DataType.TYPE_FP32,
  FP64: DataType.TYPE_FP64,
  BYTES: DataType.TYPE_STRING,
};

function toDuration({ count, ns }: Duration): MessageInitShape<typeof StatisticDurationSchema> {
  return { count: toWhole(count), ns: toWhole(ns) };
}

function toWhole(value: number): bigint {
  return BigInt(Math.round(value));
}
