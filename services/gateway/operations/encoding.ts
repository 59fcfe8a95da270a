import { create } from "@bufbuild/protobuf";
import type { Model } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import {
  type EncodeRequest,
  EncodeRequestSchema,
  type Encoding,
  type Input as InputMessage,
  InputSchema,
  type TokenizerService,
  TruncationSide,
} from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { assert } from "../../../lib/assert.js";
import type { CallContext, Client } from "../../../lib/rpc/call.js";
import { Gather, settleEach } from "../../../lib/rpc/gather.js";
import type { Input, WorkOrder } from "./order.js";

/** Requests of one Encode call. */
const ordersMax = 64;
/** Texts of a request that goes together with others, so that a call stays within the tokenizer's own bound. */
const orderTextsMax = 32;
/** Characters of such a request: a long one holds nobody up, and a call stays far below the size of a message. */
const orderCharactersMax = 4_096;

/** The inputs of one request. */
export type EncodeOrder = Pick<
  WorkOrder,
  "inputs" | "truncate" | "truncationSide" | "tokensMax" | "promptName" | "isSpecialAdded"
>;

/** One encoding for each input. */
export type Encode = (
  order: EncodeOrder,
  model: Pick<Model, "name" | "version" | "revision">,
  context: CallContext,
) => Promise<readonly Encoding[]>;

/** inputs -> (what else is encoded alike in this turn ->) tokenizer -> encodings */
export function createEncode(
  tokenizer: Client<typeof TokenizerService>,
  options: { readonly isGathering: boolean },
): Encode {
  const encodeAlone: Encode = async (order, model, context) =>
    (await tokenizer.encode(toRequest(order, model), context)).encodings;
  if (!options.isGathering) return encodeAlone;

  const gather = new Gather<Asked, readonly Encoding[]>({
    itemsMax: ordersMax,
    kindOf: ({ order, model }) => {
      const { truncate, truncationSide, tokensMax, promptName, isSpecialAdded } = order;
      const { name, version, revision } = model;
      const options = [truncate, truncationSide, tokensMax, promptName, isSpecialAdded];
      return JSON.stringify([name, version, revision, ...options]);
    },
    sendAlone: ({ order, model }, context) => encodeAlone(order, model, context),
    async sendTogether(gathered, context) {
      const asked = gathered.map(({ item }) => item);
      const [first] = asked;
      if (first === undefined) return;
      const inputs = asked.flatMap(({ order }) => order.inputs);
      const encodings = await encodeAlone({ ...first.order, inputs }, first.model, context);
      settleEach(gathered, split(encodings, asked));
    },
  });
  return (order, model, context) =>
    isSmall(order) ? gather.call({ order, model }, context) : encodeAlone(order, model, context);
}

interface Asked {
  readonly order: EncodeOrder;
  readonly model: Parameters<Encode>[1];
}

/** Most orders leave all of the options to the tokenizer. */
function toRequest(order: EncodeOrder, { name, version, revision }: Asked["model"]): EncodeRequest {
  const { truncate, truncationSide, tokensMax, promptName, isSpecialAdded } = order;
  const request = create(EncodeRequestSchema, { model: name, version, revision });
  if (truncate !== undefined) request.truncate = truncate;
  if (truncationSide !== undefined) request.truncationSide = sideOf[truncationSide];
  if (tokensMax !== undefined) request.tokensMax = tokensMax;
  if (promptName !== undefined) request.promptName = promptName;
  if (isSpecialAdded !== undefined) request.addSpecialTokens = isSpecialAdded;
  const texts = order.inputs.filter((input) => typeof input === "string");
  // Texts have a shorter form, which is what most requests are.
  if (texts.length === order.inputs.length) request.texts = texts;
  else request.inputs = order.inputs.map(toInput);
  return request;
}

const sideOf = { left: TruncationSide.LEFT, right: TruncationSide.RIGHT } as const;

function toInput(input: Input): InputMessage {
  if (typeof input === "string") {
    return create(InputSchema, { kind: { case: "text", value: input } });
  }
  if ("ids" in input) {
    return create(InputSchema, { kind: { case: "ids", value: { ids: [...input.ids] } } });
  }
  return create(InputSchema, { kind: { case: "pair", value: input } });
}

function isSmall({ inputs }: EncodeOrder): boolean {
  if (inputs.length > orderTextsMax) return false;
  let characters = 0;
  for (const input of inputs) {
    if (typeof input !== "string") return false;
    characters += input.length;
  }
  return characters <= orderCharactersMax;
}

function split(encodings: readonly Encoding[], asked: readonly Asked[]): Encoding[][] {
  let from = 0;
  const parts = asked.map(({ order }) => {
    from += order.inputs.length;
    return encodings.slice(from - order.inputs.length, from);
  });
  assert(from === encodings.length, `${encodings.length} encodings for ${from} inputs`);
  return parts;
}
