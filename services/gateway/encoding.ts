import type { Encoding, TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { assert } from "../../lib/assert.js";
import type { CallContext, Client } from "../../lib/rpc/call.js";
import { Gather } from "../../lib/rpc/gather.js";

/** Requests of one Encode call. */
const ordersMax = 64;
/** Texts of a request that goes together with others, so that a call stays within the tokenizer's own bound. */
const orderTextsMax = 32;
/** Characters of such a request: a long one holds nobody up, and a call stays far below the size of a message. */
const orderCharactersMax = 4_096;

/** The texts of one request. */
export interface EncodeOrder {
  readonly model: string;
  readonly version: string;
  readonly revision: string;
  readonly texts: readonly string[];
  /** Undefined: the tokenizer's setting. */
  readonly truncate: boolean | undefined;
  /** Undefined: the model's default prompt, if it has one. */
  readonly promptName: string | undefined;
}

/** One encoding for each text. */
export type Encode = (order: EncodeOrder, context: CallContext) => Promise<readonly Encoding[]>;

/** texts -> (what else is encoded alike in this turn ->) tokenizer -> encodings */
export function createEncode(
  tokenizer: Client<typeof TokenizerService>,
  options: { readonly isGathering: boolean },
): Encode {
  const encodeAlone: Encode = async ({ texts, truncate, promptName, ...model }, context) => {
    const { encodings } = await tokenizer.encode(
      {
        ...model,
        texts: [...texts],
        ...(truncate !== undefined && { truncate }),
        ...(promptName !== undefined && { promptName }),
      },
      context,
    );
    return encodings;
  };
  if (!options.isGathering) return encodeAlone;

  const gather = new Gather<EncodeOrder, readonly Encoding[]>({
    itemsMax: ordersMax,
    kindOf: ({ model, version, revision, truncate, promptName }) =>
      JSON.stringify([model, version, revision, truncate, promptName]),
    async send(orders, context) {
      const [first] = orders;
      if (first === undefined) return [];
      const texts = orders.flatMap((order) => order.texts);
      return split(await encodeAlone({ ...first, texts }, context), orders);
    },
  });
  return (order, context) =>
    isSmall(order) ? gather.call(order, context) : encodeAlone(order, context);
}

function isSmall({ texts }: EncodeOrder): boolean {
  if (texts.length > orderTextsMax) return false;
  return texts.reduce((total, text) => total + text.length, 0) <= orderCharactersMax;
}

function split(encodings: readonly Encoding[], orders: readonly EncodeOrder[]): Encoding[][] {
  let from = 0;
  const parts = orders.map(({ texts }) => {
    from += texts.length;
    return encodings.slice(from - texts.length, from);
  });
  assert(from === encodings.length, `${encodings.length} encodings for ${from} texts`);
  return parts;
}
