import {
  type PredictPairRequest,
  type PredictRequest,
  Predict as PredictService,
} from "../../../../gen/tei/v1/tei_pb.js";
import { MeshError } from "../../../../lib/errors.js";
import { type Binding, bind, type CallContext } from "../../../../lib/rpc/call.js";
import type { Form, StreamOptions } from "../../answer-each.js";
import type { Operations } from "../../operations/operations.js";
import type { Input } from "../../operations/order.js";
import { formsOf } from "./forms.js";
import { orderOf } from "./order.js";

/** tei.v1.Predict -> scores of labels, of a text or of a pair */
export function createTeiPredict({ classify }: Operations, stream: StreamOptions): Binding {
  const predict =
    <Q extends PredictRequest | PredictPairRequest>(inputOf: (request: Q) => Input) =>
    async (request: Q, context: CallContext, form: Form) => {
      const { rawScores: isRaw } = request;
      const own = { inputs: [inputOf(request)], isRaw };
      const order = Object.assign(orderOf(request, form), own);
      const { predictions, usage } = await classify(order, context);
      const [scores = []] = predictions;
      return { results: { predictions: scores.map((scored) => ({ ...scored })) }, usage };
    };
  const text = formsOf(
    predict(({ inputs }: PredictRequest) => inputs),
    stream,
  );
  const pair = formsOf(predict(pairOf), stream);
  return bind(PredictService, {
    predict: text.single,
    predictStream: text.streamed,
    predictPair: pair.single,
    predictPairStream: pair.streamed,
  });
}

function pairOf({ inputs }: PredictPairRequest): Input {
  const [first, second] = inputs;
  if (first === undefined || inputs.length > 2) {
    const reason = `\`inputs\` must have a single or two elements. Given: ${inputs.length}`;
    throw new MeshError("invalid", reason, { fields: [{ field: "inputs", description: reason }] });
  }
  return second === undefined ? first : { first, second };
}
