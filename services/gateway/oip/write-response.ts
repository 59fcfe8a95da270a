import type {
  InferStatistics,
  ModelInferResponse,
  ModelMetadataResponse,
  ModelStatistics,
  StatisticDuration,
} from "../../../gen/inference/grpc_service_pb.js";
import {
  DataTypeSchema,
  type ModelConfig,
  type ModelOutput,
} from "../../../gen/inference/model_config_pb.js";
import { assert } from "../../../lib/assert.js";
import { isDatatype } from "../../../lib/oip/elements.js";
import type { InferParameters } from "../../../lib/oip/parameters.js";
import { writeJsonData } from "./json-data.js";

/** An answer of the REST form: JSON, and behind it the raw bytes of the outputs that were asked for so. */
export interface RestAnswer {
  readonly body: Buffer;
  /** Bytes of JSON at the start of the body; undefined when nothing follows it. */
  readonly jsonLength: number | undefined;
}

/** Written by hand, because numbers need their own format and go into the JSON as they are. */
export function writeInferAnswer(
  response: ModelInferResponse,
  isBinary: (output: string) => boolean,
): RestAnswer {
  const { id, modelName, modelVersion, parameters, rawOutputContents } = response;
  const binary: Uint8Array[] = [];
  const outputs = response.outputs.map(({ name, datatype, shape: sizes }, index) => {
    const shape = sizes.map(Number);
    const bytes = rawOutputContents[index];
    assert(bytes !== undefined && isDatatype(datatype), "each output has its bytes and a type");
    const start = `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape}]`;
    if (!isBinary(name)) {
      return `${start},"data":${writeJsonData(bytes, { datatype, shape }, name)}}`;
    }
    binary.push(bytes);
    return `${start},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const said = {
    ...(id === "" ? {} : { id }),
    model_name: modelName,
    model_version: modelVersion,
    ...(Object.keys(parameters).length === 0 ? {} : { parameters: toScalars(parameters) }),
  };
  const json = `${JSON.stringify(said).slice(0, -1)},"outputs":[${outputs.join(",")}]}`;
  const header = Buffer.from(json);
  return {
    body: Buffer.concat([header, ...binary]),
    jsonLength: binary.length === 0 ? undefined : header.length,
  };
}

/** Model metadata in the REST form. */
export function toMetadataJson(metadata: ModelMetadataResponse): object {
  const toTensor = ({ name, datatype, shape }: ModelMetadataResponse["inputs"][number]) => ({
    name,
    datatype,
    shape: shape.map(Number),
  });
  return {
    name: metadata.name,
    versions: metadata.versions,
    platform: metadata.platform,
    inputs: metadata.inputs.map(toTensor),
    outputs: metadata.outputs.map(toTensor),
  };
}

/** Model configuration in the REST form. */
export function toConfigJson(config: ModelConfig): object {
  const toTensor = ({ name, dataType, dims }: Pick<ModelOutput, "name" | "dataType" | "dims">) => ({
    name,
    data_type: DataTypeSchema.value[dataType]?.name,
    dims: dims.map(Number),
  });
  const parameters = Object.entries(config.parameters).map(([name, { stringValue }]) => [
    name,
    { string_value: stringValue },
  ]);
  return {
    name: config.name,
    platform: config.platform,
    backend: config.backend,
    version_policy: { all: {} },
    max_batch_size: config.maxBatchSize,
    input: config.input.map((input) => ({ ...toTensor(input), optional: input.optional })),
    output: config.output.map(toTensor),
    default_model_filename: config.defaultModelFilename,
    parameters: Object.fromEntries(parameters),
  };
}

/** Statistics in the REST form. */
export function toStatisticsJson(statistics: readonly ModelStatistics[]): object {
  const models = statistics.map((model) => ({
    name: model.name,
    version: model.version,
    last_inference: Number(model.lastInference),
    inference_count: Number(model.inferenceCount),
    execution_count: Number(model.executionCount),
    inference_stats: toDurationsJson(model.inferenceStats),
    batch_stats: [],
    memory_usage: [],
    response_stats: {},
  }));
  return { model_stats: models };
}

function toDurationsJson(statistics: InferStatistics | undefined): object {
  const toJson = (duration: StatisticDuration | undefined) => ({
    count: Number(duration?.count ?? 0n),
    ns: Number(duration?.ns ?? 0n),
  });
  return {
    success: toJson(statistics?.success),
    fail: toJson(statistics?.fail),
    queue: toJson(statistics?.queue),
    compute_input: toJson(statistics?.computeInput),
    compute_infer: toJson(statistics?.computeInfer),
    compute_output: toJson(statistics?.computeOutput),
    cache_hit: toJson(statistics?.cacheHit),
    cache_miss: toJson(statistics?.cacheMiss),
  };
}

function toScalars(parameters: InferParameters): object {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, { parameterChoice: choice }]) => [
      name,
      typeof choice.value === "bigint" ? Number(choice.value) : (choice.value ?? null),
    ]),
  );
}
