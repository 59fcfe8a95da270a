import { type Encoding, OffsetUnit } from "../../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import {
  type DecodeRequest,
  type EncodeRequest,
  Tokenize as TokenizeService,
} from "../../../../gen/tei/v1/tei_pb.js";
import { type Binding, bind, type CallContext } from "../../../../lib/rpc/call.js";
import type { StreamOptions } from "../../answer-each.js";
import { answerUntilError } from "../../answer-until-error.js";
import type { Operations } from "../../operations/operations.js";
import { unsaid } from "../../operations/order.js";
import { toSimpleTokens } from "../simple-tokens.js";

/** tei.v1.Tokenize -> tokens of a text, and the text of ids */
export function createTeiTokenize(operations: Operations, stream: StreamOptions): Binding {
  const tokenize = async (request: EncodeRequest, context: CallContext) => {
    const { inputs, addSpecialTokens, promptName } = request;
    const order = {
      ...unsaid,
      ...{ texts: [inputs], textsMax: 1, isSpecialAdded: addSpecialTokens, promptName },
      unit: OffsetUnit.BYTES,
    };
    const { encodings } = await operations.tokenize(order, context);
    return { tokens: encodings.flatMap(tokensOf) };
  };
  const decode = async ({ ids, skipSpecialTokens }: DecodeRequest, context: CallContext) => {
    const order = {
      ...unsaid,
      ...{ sequences: [ids], sequencesMax: 1, isSpecialSkipped: skipSpecialTokens },
    };
    const [text = ""] = await operations.decode(order, context);
    return { text };
  };
  return bind(TokenizeService, {
    tokenize,
    tokenizeStream: (requests, context) => answerUntilError(requests, context, stream, tokenize),
    decode,
    decodeStream: (requests, context) => answerUntilError(requests, context, stream, decode),
  });
}

/** What JSON writes as null is absent here. */
function tokensOf(encoding: Encoding) {
  return toSimpleTokens(encoding).map(({ start, stop, ...token }) =>
    start === null || stop === null ? token : { ...token, start, stop },
  );
}
