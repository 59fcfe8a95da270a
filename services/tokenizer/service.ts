import type { JsEncoding } from "tokenizers";
import { TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { MeshError } from "../../lib/errors.js";
import type { ModelCatalog } from "../../lib/model-catalog.js";
import { type Binding, bind } from "../../lib/rpc/call.js";
import type { TokenizerConfig } from "./config.js";
import { WaitingBound } from "./encoder.js";
import { type OpenTokenizer, Tokenizers } from "./tokenizers.js";

/** texts -> the model's tokenizer (Hugging Face) -> token ids, and back */
export function createTokenizer(config: TokenizerConfig, catalog: ModelCatalog): Binding {
  const bound = new WaitingBound(config.waitingTextsMax);
  const tokenizers = new Tokenizers(catalog, config.modelsMax, bound);
  // Read at the start, so that a default model without a tokenizer is an error there.
  tokenizers.get({ model: "", version: "", revision: "" });

  return bind(TokenizerService, {
    async encode(request) {
      const { texts, truncate, withOffsets } = request;
      const tokenizer = tokenizers.get(request);
      requireTexts(texts, config.callTextsMax);
      const isCutting = truncate ?? config.truncate;
      const encoder = tokenizer.encoder({ isCutting, isSpecial: request.addSpecialTokens ?? true });
      const prompt = promptOf(tokenizer, request.promptName);
      const prompted = prompt === "" ? texts : texts.map((text) => prompt + text);
      const encodings = await encoder.encode(prompted);
      const { tokensMax } = tokenizer.spec;
      if (!isCutting) requireLengths(encodings, tokensMax);
      return {
        model: tokenizer.name,
        encodings: encodings.map((encoding) => ({
          ids: encoding.getIds(),
          ...(withOffsets && { tokens: encoding.getTokens(), offsets: offsetsOf(encoding) }),
          truncated: isCutting && encoding.getLength() === tokensMax && isCut(encoding),
        })),
      };
    },

    async decode(request) {
      const { whole, vocabularySize } = tokenizers.get(request);
      const rows = request.sequences.map((sequence) => sequence.ids);
      if (rows.length === 0) throw new MeshError("empty", "sequences is empty");
      if (rows.length > config.callTextsMax) {
        throw new MeshError("invalid", `${rows.length} sequences, at most ${config.callTextsMax}`);
      }
      // The library drops ids it does not know; silence here would hide a caller's mistake.
      const stray = rows.flat().find((id) => id >= vocabularySize);
      if (stray !== undefined) {
        throw new MeshError("invalid", `id ${stray} is outside the vocabulary`);
      }
      return { texts: await whole.decodeBatch(rows, request.skipSpecialTokens ?? true) };
    },
  });
}

/** What goes before each text; empty when the model has no default prompt and the call names none. */
function promptOf({ spec, name }: OpenTokenizer, promptName: string | undefined): string {
  const wanted = promptName ?? spec.defaultPrompt;
  if (wanted === undefined) return "";
  if (Object.hasOwn(spec.prompts, wanted)) return spec.prompts[wanted] as string;
  const reason = `\`${wanted}\` is not a prompt of ${name}`;
  throw new MeshError("invalid", `Input validation error: ${reason}`, {
    fields: [{ field: "prompt_name", description: reason }],
  });
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
