import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Model } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import {
  type Encoding,
  type InputSchema,
  type TokenizerService,
  TruncationSide,
} from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { assert } from "../../../lib/assert.js";
import type { CallContext, Client } from "../../../lib/rpc/call.js";
import { Gather } from "../../../lib/rpc/gather.js";
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
  const encodeAlone: Encode = async (order, { name, version, revision }, context) => {
    const { truncate, truncationSide, tokensMax, promptName, isSpecialAdded } = order;
    const { encodings } = await tokenizer.encode(
      {
        ...{ model: name, version, revision },
        ...toInputs(order.inputs),
        ...(truncate !== undefined && { truncate }),
        ...(truncationSide !== undefined && { truncationSide: sideOf[truncationSide] }),
        ...(tokensMax !== undefined && { tokensMax }),
        ...(promptName !== undefined && { promptName }),
        ...(isSpecialAdded !== undefined && { addSpecialTokens: isSpecialAdded }),
      },
      context,
    );
    return encodings;
  };
  if (!options.isGathering) return encodeAlone;

  const gather = new Gather<Asked, readonly Encoding[]>({
    itemsMax: ordersMax,
    kindOf: ({ order, model }) => {
      const { truncate, truncationSide, tokensMax, promptName, isSpecialAdded } = order;
      const { name, version, revision } = model;
      const options = [truncate, truncationSide, tokensMax, promptName, isSpecialAdded];
      return JSON.stringify([name, version, revision, ...options]);
    },
    async send(asked, context) {
      const [first] = asked;
      if (first === undefined) return [];
      const inputs = asked.flatMap(({ order }) => order.inputs);
      return split(await encodeAlone({ ...first.order, inputs }, first.model, context), asked);
    },
  });
  return (order, model, context) =>
    isSmall(order) ? gather.call({ order, model }, context) : encodeAlone(order, model, context);
}

interface Asked {
  readonly order: EncodeOrder;
  readonly model: Parameters<Encode>[1];
}

const sideOf = { left: TruncationSide.LEFT, right: TruncationSide.RIGHT } as const;

/** Texts have a shorter form, which is what most requests are. */
function toInputs(inputs: readonly Input[]) {
  const texts = inputs.filter((input) => typeof input === "string");
  return texts.length === inputs.length ? { texts } : { inputs: inputs.map(toInput) };
}

function toInput(input: Input): MessageInitShape<typeof InputSchema> {
  if (typeof input === "string") return { kind: { case: "text", value: input } };
  if ("ids" in input) return { kind: { case: "ids", value: { ids: [...input.ids] } } };
  return { kind: { case: "pair", value: input } };
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
