import { Priority } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { InferParameter } from "../../gen/inference/grpc_service_pb.js";
import { invalid, requireName } from "./refusal.js";

export type InferParameters = Readonly<Record<string, InferParameter>>;

/** Parameters of one request, tensor or output. */
export const parametersMax = 64;

/** Where the gateway tells inference for whom a request is; what a caller puts there never arrives. */
export const callerParameter = "arrowmesh_caller";

/** What a request says besides its tensors. */
export interface RequestOptions {
  readonly priority: Priority;
  /** Undefined: as long as the call may take. */
  readonly timeoutMs: number | undefined;
  readonly caller: string;
}

/** Triton's priority (1 goes first, higher waits) and timeout (microseconds); 0 means the default of both. */
export function readOptions(parameters: InferParameters): RequestOptions {
  const level = readWhole(parameters, "priority") ?? 0;
  const timeoutUs = readWhole(parameters, "timeout") ?? 0;
  const caller = parameters[callerParameter]?.parameterChoice;
  return {
    priority: [Priority.UNSPECIFIED, Priority.INTERACTIVE][level] ?? Priority.BULK,
    timeoutMs: timeoutUs === 0 ? undefined : timeoutUs / 1_000,
    caller: caller?.case === "stringParam" ? caller.value : "",
  };
}

export function readFlag(parameters: InferParameters, name: string): boolean | undefined {
  const choice = parameters[name]?.parameterChoice;
  if (choice?.case === undefined) return undefined;
  if (choice.case !== "boolParam") throw invalid(`parameters.${name}`, "expected true or false");
  return choice.value;
}

export function readText(parameters: InferParameters, name: string): string | undefined {
  const choice = parameters[name]?.parameterChoice;
  if (choice?.case === undefined) return undefined;
  if (choice.case !== "stringParam") throw invalid(`parameters.${name}`, "expected a string");
  return choice.value;
}

/** A whole number from 0 up. */
export function readWhole(parameters: InferParameters, name: string): number | undefined {
  const choice = parameters[name]?.parameterChoice;
  if (choice?.case === undefined) return undefined;
  const value = typeof choice.value === "bigint" ? Number(choice.value) : choice.value;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(`parameters.${name}`, "expected a whole number from 0 up");
  }
  return value;
}

/** What every request with parameters must keep to. */
export function requireParameters(parameters: InferParameters, field: string): void {
  const names = Object.keys(parameters);
  if (names.length > parametersMax) throw invalid(field, `more than ${parametersMax}`);
  for (const name of names) requireName(name, `${field} name`);
}
