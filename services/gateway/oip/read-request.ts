import { isUtf8 } from "node:buffer";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { z } from "zod";
import {
  type InferParameterSchema,
  type ModelInferRequest,
  ModelInferRequestSchema,
} from "../../../gen/inference/grpc_service_pb.js";
import { MeshError } from "../../../lib/errors.js";
import { isDatatype } from "../../../lib/oip/elements.js";
import { parametersMax } from "../../../lib/oip/parameters.js";
import { invalid } from "../../../lib/oip/refusal.js";
import { rankMax, tensorsMax } from "../../../lib/oip/tensors.js";
import { readBody } from "../http/bodies.js";
import { readJsonData } from "./json-data.js";

/** A request of the REST form as the message it stands for, and how its answer is to be written. */
export interface RestRequest {
  readonly message: ModelInferRequest;
  /** Whether an output goes behind the JSON as raw bytes. */
  isBinary(output: string): boolean;
}

/** Reads the body of an infer request: JSON, and behind it, when `headerLength` says where, the raw inputs. */
export function readInferRequest(
  body: Uint8Array,
  headerLength: string | undefined,
  model: { readonly name: string; readonly version: string },
): RestRequest {
  const jsonLength = readLength(headerLength, body.length);
  const header = readBody(inferBody, parseJson(body.subarray(0, jsonLength)));
  const { id = "", parameters = {}, inputs, outputs = [] } = header;
  const raw = readRawInputs(inputs, body.subarray(jsonLength));
  const message = create(ModelInferRequestSchema, {
    modelName: model.name,
    modelVersion: model.version,
    id,
    parameters: toMessages(parameters),
    inputs: inputs.map((input) => ({
      name: input.name,
      datatype: input.datatype,
      shape: input.shape.map(BigInt),
      parameters: toMessages(input.parameters ?? {}),
    })),
    outputs: outputs.map((output) => ({
      name: output.name,
      parameters: toMessages(output.parameters ?? {}),
    })),
    rawInputContents: raw,
  });
  const isBinaryOf = new Map(
    outputs.map((output) => [output.name, output.parameters?.binary_data]),
  );
  return {
    message,
    isBinary: (name) => (isBinaryOf.get(name) ?? parameters.binary_data_output) === true,
  };
}

/** JSON in UTF-8; an empty body is an empty object. */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return {};
  try {
    if (!isUtf8(bytes)) throw new SyntaxError("it is not UTF-8");
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : "not JSON";
    throw new MeshError("malformed", `failed to parse the request JSON: ${reason}`);
  }
}

/** JSON says "not given" by leaving a field out or by null; both arrive as undefined. */
function optional<T extends z.ZodType>(type: T) {
  return type.nullish().transform((value) => value ?? undefined);
}

const parameters = optional(
  z
    .record(z.string(), z.union([z.boolean(), z.number(), z.string()]))
    .refine((all) => Object.keys(all).length <= parametersMax, `more than ${parametersMax}`),
);

/** The JSON of an infer request. */
export const inferBody = z
  .object({
    id: optional(z.string()),
    parameters,
    inputs: z
      .array(
        z.object({
          name: z.string(),
          datatype: z.string(),
          shape: z.array(z.int()).max(rankMax),
          parameters,
          data: z.unknown().optional(),
        }),
      )
      .max(tensorsMax),
    outputs: optional(z.array(z.object({ name: z.string(), parameters })).max(tensorsMax)),
  })
  .meta({ id: "OipInferRequest" });

type Input = z.output<typeof inferBody>["inputs"][number];
type Scalars = Readonly<Record<string, boolean | number | string>>;

function readLength(header: string | undefined, bodyLength: number): number {
  if (header === undefined) return bodyLength;
  const length = /^\d{1,15}$/.test(header) ? Number(header) : Number.NaN;
  if (length <= bodyLength) return length;
  throw new MeshError(
    "malformed",
    `Inference-Header-Content-Length: expected 0..${bodyLength}, which is the length of the body`,
  );
}

/** The data of each input as raw bytes, from its JSON or from what follows the JSON. */
function readRawInputs(inputs: readonly Input[], binary: Uint8Array): Uint8Array[] {
  let at = 0;
  const raw = inputs.map((input, index) => {
    const field = `inputs[${index}]`;
    const size = input.parameters?.binary_data_size;
    if (size === undefined) return readJsonInput(input, field);
    if (input.data !== undefined) throw invalid(`${field}.data`, "given beside binary_data_size");
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
      throw invalid(`${field}.parameters.binary_data_size`, "expected a whole number from 0 up");
    }
    if (at + size > binary.length) {
      throw invalid(`${field}.parameters.binary_data_size`, "the body ends before");
    }
    at += size;
    return binary.subarray(at - size, at);
  });
  if (at === binary.length) return raw;
  throw invalid("inputs", `${binary.length - at} bytes of binary data belong to no input`);
}

function readJsonInput(input: Input, field: string): Uint8Array {
  const { datatype, shape, data, parameters: said } = input;
  // Neither is refused here: who reads the message knows both, and in which words to refuse them.
  if (!isDatatype(datatype) || said?.shared_memory_region !== undefined) return new Uint8Array();
  return readJsonData(data, { datatype, shape }, `${field}.data`);
}

function toMessages(
  scalars: Scalars,
): Record<string, MessageInitShape<typeof InferParameterSchema>> {
  return Object.fromEntries(
    Object.entries(scalars).map(([name, value]) => [name, { parameterChoice: toChoice(value) }]),
  );
}

function toChoice(value: boolean | number | string) {
  if (typeof value === "boolean") return { case: "boolParam", value } as const;
  if (typeof value === "string") return { case: "stringParam", value } as const;
  if (!Number.isSafeInteger(value)) return { case: "doubleParam", value } as const;
  return { case: "int64Param", value: BigInt(value) } as const;
}
