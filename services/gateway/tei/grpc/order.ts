import { Priority } from "../../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { TruncationDirection } from "../../../../gen/tei/v1/tei_pb.js";
import type { Form } from "../../answer-each.js";
import { unsaid } from "../../operations/order.js";

/** What the requests for work have in common. */
export interface TeiOptions {
  readonly truncate: boolean;
  readonly truncationDirection: TruncationDirection;
  readonly promptName?: string | undefined;
}

/** A request of one message, as the operations want it. The contract has no way to name a model. */
export function orderOf({ truncate, truncationDirection, promptName }: TeiOptions, form: Form) {
  const isLeft = truncationDirection === TruncationDirection.LEFT;
  const isStreamed = form === "streamed";
  return Object.assign({}, unsaid, {
    inputsMax: 1,
    truncate,
    promptName,
    isPatient: isStreamed,
    priority: isStreamed ? Priority.BULK : Priority.INTERACTIVE,
    truncationSide: isLeft ? ("left" as const) : ("right" as const),
  });
}
