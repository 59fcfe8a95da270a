import { Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type {
  Encoding,
  OffsetUnit,
  TokenizerService,
} from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { charactersPerToken, tooManyCharacters } from "../../../lib/characters.js";
import type { CallContext, Client } from "../../../lib/rpc/call.js";
import type { Limiter } from "../limiter.js";
import type { Fitness, ModelDirectory } from "../model-directory.js";
import { inTokenization, tokensOfAll } from "./in-tokenization.js";
import { type ModelName, refusal, requireContent, requireCount } from "./order.js";

export interface TokenizeOrder extends ModelName {
  readonly texts: readonly string[];
  readonly textsMax: number;
  readonly isSpecialAdded: boolean;
  /** Undefined: the model's default prompt, if it has one. */
  readonly promptName: string | undefined;
  readonly unit: OffsetUnit;
}

export interface Tokens {
  readonly model: string;
  /** One for each text, whole: nothing is cut. */
  readonly encodings: readonly Encoding[];
}

export interface DecodeOrder extends ModelName {
  readonly sequences: readonly (readonly number[])[];
  readonly sequencesMax: number;
  readonly isSpecialSkipped: boolean;
}

export type Tokenize = (order: TokenizeOrder, context: CallContext) => Promise<Tokens>;
export type Decode = (order: DecodeOrder, context: CallContext) => Promise<readonly string[]>;

/** Whatever reads text has a tokenizer. */
export const readsText: Fitness = {
  fits: ({ task }) => task !== Task.UNSPECIFIED,
  refusal: "Backend error: Model takes tensors, not text",
};

interface TokenizeDeps {
  readonly tokenizer: Client<typeof TokenizerService>;
  readonly directory: ModelDirectory;
  readonly limiter: Limiter;
}

/** texts -> take a request -> tokens with their places in the text; the model is not asked */
export function createTokenize({ tokenizer, directory, limiter }: TokenizeDeps): Tokenize {
  return (order, context) =>
    limiter.withRequest(context, directory.nameOf(order.model, readsText), async () => {
      const { texts, textsMax, promptName } = order;
      requireCount({ ...order, inputs: texts, inputsMax: textsMax });
      const { name, version, revision, tokensMax } = await directory.resolve(
        order.model,
        order.version,
        readsText,
      );
      requireContent(texts);
      requireCharacters(texts, tokensMax * charactersPerToken);
      const request = {
        model: name,
        version,
        revision,
        texts: [...texts],
        addSpecialTokens: order.isSpecialAdded,
        offsetUnit: order.unit,
        unlimited: true,
        ...(promptName !== undefined && { promptName }),
      };
      const { encodings } = await inTokenization(
        context,
        texts.length,
        (inner) => tokenizer.encode(request, inner),
        (answer) => tokensOfAll(answer.encodings),
      );
      return { model: name, encodings };
    });
}

/** Nothing is cut here, so this bounds the answer. */
function requireCharacters(texts: readonly string[], charactersMax: number): void {
  for (const [index, text] of texts.entries()) {
    const reason = tooManyCharacters([text], charactersMax);
    if (reason !== undefined) throw refusal("invalid", `inputs[${index}]`, reason);
  }
}

/** ids -> take a request -> texts */
export function createDecode({ tokenizer, directory, limiter }: TokenizeDeps): Decode {
  return ({ sequences, sequencesMax, isSpecialSkipped, ...named }, context) =>
    limiter.withRequest(context, directory.nameOf(named.model, readsText), async () => {
      if (sequences.length === 0) throw emptyIds();
      const inputs = sequences.map((ids) => ({ ids }));
      requireCount({ ...named, inputs, inputsMax: sequencesMax });
      if (sequences.some((ids) => ids.length === 0)) throw emptyIds();
      const { name, version, revision } = await directory.resolve(
        named.model,
        named.version,
        readsText,
      );
      const request = {
        model: name,
        version,
        revision,
        sequences: sequences.map((ids) => ({ ids: [...ids] })),
        skipSpecialTokens: isSpecialSkipped,
      };
      const { texts } = await inTokenization(
        context,
        sequences.length,
        (inner) => tokenizer.decode(request, inner),
        () => tokensOfAll(inputs),
      );
      return texts;
    });
}

function emptyIds() {
  return refusal("empty", "ids", "`input_ids` cannot be empty");
}
