import type { JsEncoding } from "tokenizers";
import { TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { MeshError } from "../../lib/errors.js";
import { isModelNamed, type ModelFolder } from "../../lib/model-folder.js";
import { type Binding, bind } from "../../lib/rpc/call.js";
import type { TokenizerConfig } from "./config.js";
import { Encoder, readTokenizer, WaitingBound } from "./encoder.js";

/** texts -> Hugging Face tokenizers -> token ids, and back */
export function createTokenizer(config: TokenizerConfig, folder: ModelFolder): Binding {
  const cutting = readTokenizer(folder, folder.tokensMax);
  const whole = readTokenizer(folder, undefined);
  const vocabularySize = whole.getVocabSize(true);
  const bound = new WaitingBound(config.waitingTextsMax);
  const encoders = {
    cutting: {
      special: new Encoder(cutting, true, bound),
      bare: new Encoder(cutting, false, bound),
    },
    whole: { special: new Encoder(whole, true, bound), bare: new Encoder(whole, false, bound) },
  };

  return bind(TokenizerService, {
    async encode({ model, texts, addSpecialTokens, truncate, withOffsets }) {
      requireModel(folder, model);
      requireTexts(texts, config.callTextsMax);
      const isCutting = truncate ?? config.truncate;
      const pair = isCutting ? encoders.cutting : encoders.whole;
      const encodings = await ((addSpecialTokens ?? true) ? pair.special : pair.bare).encode(texts);
      if (!isCutting) requireLengths(encodings, folder.tokensMax);
      return {
        model: folder.id,
        encodings: encodings.map((encoding) => ({
          ids: encoding.getIds(),
          ...(withOffsets && { tokens: encoding.getTokens(), offsets: offsetsOf(encoding) }),
          truncated: isCutting && encoding.getLength() === folder.tokensMax && isCut(encoding),
        })),
      };
    },

    async decode({ model, sequences, skipSpecialTokens }) {
      requireModel(folder, model);
      const rows = sequences.map((sequence) => sequence.ids);
      if (rows.length === 0) throw new MeshError("empty", "sequences is empty");
      if (rows.length > config.callTextsMax) {
        throw new MeshError("invalid", `${rows.length} sequences, at most ${config.callTextsMax}`);
      }
      // The library drops ids it does not know; silence here would hide a caller's mistake.
      const stray = rows.flat().find((id) => id >= vocabularySize);
      if (stray !== undefined) {
        throw new MeshError("invalid", `id ${stray} is outside the vocabulary`);
      }
      return { texts: await whole.decodeBatch(rows, skipSpecialTokens ?? true) };
    },
  });
}

function requireModel(folder: ModelFolder, model: string): void {
  if (!isModelNamed(folder, model)) throw new MeshError("not_found", `unknown model: ${model}`);
}

function requireTexts(texts: readonly string[], textsMax: number): void {
  if (texts.length === 0) throw new MeshError("empty", "texts is empty");
  if (texts.length > textsMax) {
    throw new MeshError("invalid", `${texts.length} texts, at most ${textsMax}`);
  }
  const broken = texts.findIndex((text) => !text.isWellFormed());
  if (broken >= 0) throw new MeshError("invalid", `texts[${broken}] holds a lone surrogate`);
}

/** The words are those of text-embeddings-inference, which clients match on. */
function requireLengths(encodings: readonly JsEncoding[], tokensMax: number): void {
  for (const encoding of encodings) {
    const given = encoding.getLength();
    if (given <= tokensMax) continue;
    throw new MeshError(
      "invalid",
      `Input validation error: \`inputs\` must have less than ${tokensMax} tokens. Given: ${given}`,
    );
  }
}

function isCut(encoding: JsEncoding): boolean {
  return encoding.getOverflowing().length > 0;
}

/** In code points, the unit of the library. */
function offsetsOf(encoding: JsEncoding): { start: number; end: number }[] {
  return encoding.getOffsets().map(([start = 0, end = 0]) => ({ start, end }));
}
