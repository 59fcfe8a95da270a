import type { TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import type { Handlers } from "../../lib/rpc/call.js";

/** Answers nothing; tests put the methods that they need over it. */
export const idleTokenizer: Handlers<typeof TokenizerService> = {
  encode: () => ({}),
  decode: () => ({}),
  count: () => ({}),
  encodeStream: answerNothing,
  decodeStream: answerNothing,
  countStream: answerNothing,
};

async function* answerNothing() {}
