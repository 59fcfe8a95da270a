import {
  type Input as InputMessage,
  Priority,
  TruncationSide,
} from "../../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { Priority as Urgency } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../../lib/errors.js";
import type { Form } from "../answer-each.js";
import { type Input, unsaid, type WorkOrder } from "../operations/order.js";

/** What the requests for work have in common. */
export interface WorkRequest {
  readonly model: string;
  readonly version: string;
  readonly truncate?: boolean | undefined;
  readonly truncationSide: TruncationSide;
  readonly tokensMax?: number | undefined;
  readonly promptName?: string | undefined;
  readonly priority: Priority;
}

/** All of an order but its inputs. */
export function orderOf(
  request: WorkRequest,
  inputsMax: number,
  form: Form,
): Omit<WorkOrder, "inputs"> {
  const { model, version, truncate, tokensMax, promptName } = request;
  if (tokensMax === 0) throw mistake("tokens_max", "must be at least 1");
  return Object.assign({}, unsaid, {
    model,
    version,
    truncate,
    tokensMax,
    promptName,
    inputsMax,
    truncationSide: sideOf(request.truncationSide),
    priority: priorityOf(request.priority, form),
    isPatient: form === "streamed",
  });
}

/** Texts, or inputs of any kind. */
export function inputsOf({
  inputs,
  mixedInputs,
}: {
  readonly inputs: readonly string[];
  readonly mixedInputs: readonly InputMessage[];
}): readonly Input[] {
  if (mixedInputs.length === 0) return inputs;
  if (inputs.length > 0) throw mistake("mixed_inputs", "cannot stand beside inputs");
  return mixedInputs.map((input, index) => toInput(input, `mixed_inputs[${index}]`));
}

/** The one input of a message of a stream. */
export function inputOf({
  input,
  mixedInput,
}: {
  readonly input: string;
  readonly mixedInput?: InputMessage | undefined;
}): Input {
  if (mixedInput === undefined) return input;
  if (input !== "") throw mistake("mixed_input", "cannot stand beside input");
  return toInput(mixedInput, "mixed_input");
}

/** The first so many, or all; none at all is nothing to ask for. */
export function firstOf<T>(items: readonly T[], itemsMax: number | undefined, field: string) {
  if (itemsMax === 0) throw mistake(field, "must be at least 1");
  return itemsMax === undefined ? items : items.slice(0, itemsMax);
}

function toInput({ kind }: InputMessage, field: string): Input {
  if (kind.case === "text") return kind.value;
  if (kind.case === "pair") return { first: kind.value.first, second: kind.value.second };
  if (kind.case === "ids") return { ids: kind.value.ids };
  throw mistake(field, "is not set");
}

function sideOf(side: TruncationSide): WorkOrder["truncationSide"] {
  if (side === TruncationSide.UNSPECIFIED) return undefined;
  return side === TruncationSide.LEFT ? "left" : "right";
}

/** The gateway's words for it are those of inference. */
function priorityOf(priority: Priority, form: Form): Urgency {
  const isBulk =
    priority === Priority.UNSPECIFIED ? form === "streamed" : priority === Priority.BULK;
  return isBulk ? Urgency.BULK : Urgency.INTERACTIVE;
}

function mistake(field: string, description: string): MeshError {
  return new MeshError("invalid", `${field} ${description}`, { fields: [{ field, description }] });
}
