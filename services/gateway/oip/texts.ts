import { create } from "@bufbuild/protobuf";
import { type Model, Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import {
  type ModelInferRequest,
  type ModelMetadataResponse,
  ModelMetadataResponse_TensorMetadataSchema as TensorMetadataSchema,
} from "../../../gen/inference/grpc_service_pb.js";
import {
  DataType,
  type ModelConfig,
  ModelInputSchema,
  ModelOutputSchema,
} from "../../../gen/inference/model_config_pb.js";
import { assert } from "../../../lib/assert.js";
import { type InferAnswer, toInferAnswer } from "../../../lib/oip/answers.js";
import { toTexts, unpackBytes } from "../../../lib/oip/elements.js";
import { readFlag, readOptions, readText, readWhole } from "../../../lib/oip/parameters.js";
import { invalid } from "../../../lib/oip/refusal.js";
import { elementCount, readInputs, readOutputNames } from "../../../lib/oip/tensors.js";
import type { CallContext } from "../../../lib/rpc/call.js";
import type { ModelDirectory } from "../model-directory.js";
import type { Embed, Embedded, EmbedOrder } from "../operations/embed.js";
import { unsaid } from "../operations/order.js";

const textInput = "text";
const vectorOutput = "sentence_embedding";

/** Whether a request may be one of texts: its only input is of type BYTES. */
export function asksForText({ inputs }: ModelInferRequest): boolean {
  return inputs.length === 1 && inputs[0]?.datatype === "BYTES";
}

/** The model if it makes vectors of texts. */
export async function textModelOf(
  directory: ModelDirectory,
  { name, version }: { readonly name: string; readonly version: string },
): Promise<Model | undefined> {
  const model = await directory.resolve(name, version);
  return model.task === Task.EMBEDDING ? model : undefined;
}

/** texts of the one input -> embed, with its limits and tokens -> one tensor of vectors */
export async function inferTexts(
  request: ModelInferRequest,
  {
    context,
    embed,
    inputsMax,
  }: { readonly context: CallContext; readonly embed: Embed; readonly inputsMax: number },
): Promise<InferAnswer> {
  const [outputName = vectorOutput, ...others] = readOutputNames(request);
  if (others.length > 0) throw invalid("outputs", "texts have one output");
  const texts = readRequestTexts(request);
  const embedded = await embed(toOrder(request, texts, inputsMax), context);
  const { usage } = embedded;
  const output = {
    name: outputName,
    datatype: "FP32",
    shape: [texts.length, embedded.dimensions],
    bytes: joined(embedded),
  } as const;
  return toInferAnswer(request, { name: usage.model, version: usage.version }, [output]);
}

function toOrder(
  { modelName, modelVersion, parameters }: ModelInferRequest,
  texts: readonly string[],
  inputsMax: number,
): EmbedOrder {
  return Object.assign({}, unsaid, {
    model: modelName,
    version: modelVersion,
    inputs: texts,
    inputsMax,
    truncate: readFlag(parameters, "truncate"),
    promptName: readText(parameters, "prompt_name"),
    normalize: readFlag(parameters, "normalize") ?? true,
    dimensions: readWhole(parameters, "dimensions"),
    priority: readOptions(parameters).priority,
  });
}

/** The vectors as one tensor, row-major. */
function joined({ vectors, dimensions }: Embedded): Uint8Array {
  const all = new Float32Array(vectors.length * dimensions);
  for (const [row, vector] of vectors.entries()) all.set(vector, row * dimensions);
  return new Uint8Array(all.buffer);
}

/** The texts of a tensor of shape [n] or [n, 1]. */
function readRequestTexts(request: ModelInferRequest): string[] {
  const [input] = readInputs(request);
  assert(input !== undefined, "a request of texts has an input");
  const { shape, bytes } = input;
  if (shape.length > 2 || shape.length === 0 || (shape[1] ?? 1) !== 1) {
    throw invalid("inputs[0].shape", `[${shape}] of texts is neither [n] nor [n,1]`);
  }
  return toTexts(unpackBytes(bytes, elementCount(shape), "inputs[0]"), "inputs[0]");
}

/** The metadata of a model, with what the gateway adds to its tensors. */
export function withTextMetadata(
  metadata: ModelMetadataResponse,
  { dimensions }: Model,
): ModelMetadataResponse {
  const text = { name: textInput, datatype: "BYTES", shape: [-1n] };
  const vector = { name: vectorOutput, datatype: "FP32", shape: [-1n, BigInt(dimensions)] };
  return {
    ...metadata,
    inputs: [...metadata.inputs, create(TensorMetadataSchema, text)],
    outputs: withVector(metadata.outputs, create(TensorMetadataSchema, vector)),
  };
}

/** The configuration of a model, with what the gateway adds to its tensors. */
export function withTextConfig(config: ModelConfig, { dimensions }: Model): ModelConfig {
  const text = { name: textInput, dataType: DataType.TYPE_STRING, dims: [-1n], optional: true };
  const dims = [-1n, BigInt(dimensions)];
  const vector = { name: vectorOutput, dataType: DataType.TYPE_FP32, dims };
  return {
    ...config,
    input: [...config.input, create(ModelInputSchema, text)],
    output: withVector(config.output, create(ModelOutputSchema, vector)),
  };
}

/** Some models pool inside: then the vector is among their outputs already. */
function withVector<T extends { readonly name: string }>(outputs: readonly T[], vector: T): T[] {
  return outputs.some(({ name }) => name === vector.name) ? [...outputs] : [...outputs, vector];
}
