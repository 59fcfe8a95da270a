import {
  type CountRequest,
  type DecodeRequest,
  type EncodeRequest,
  TruncationSide,
} from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { charactersPerToken, tooManyCharacters } from "../../lib/characters.js";
import { MeshError } from "../../lib/errors.js";
import type { EncodeOptions } from "./encode-inputs.js";
import { readInputs, requireIds, type TokenInput } from "./inputs.js";
import { promptOf } from "./prompts.js";
import type { OpenTokenizer } from "./tokenizers.js";
import type { Side } from "./truncation.js";

interface Settings {
  readonly truncate: boolean;
  readonly callTextsMax: number;
}

/** What an Encode request asks for, checked. */
export async function readEncode(
  request: EncodeRequest,
  tokenizer: OpenTokenizer,
  settings: Settings,
): Promise<{ readonly inputs: readonly TokenInput[]; readonly options: EncodeOptions }> {
  const given = readInputs(request, settings.callTextsMax, tokenizer.vocabulary.knows);
  const options = {
    isSpecial: request.addSpecialTokens ?? true,
    tokensMax: tokensMaxOf(request, tokenizer),
    isCutting: request.truncate ?? settings.truncate,
    side: sideOf(request, tokenizer),
    unit: request.offsetUnit,
  };
  const { tokensMax, isCutting } = options;
  if (tokensMax !== undefined && !isCutting) {
    for (const input of given) requireCharacters(input, tokensMax * charactersPerToken);
  }
  return { inputs: await withPrompt(given, tokenizer, request.promptName), options };
}

/** What a Count request asks for, checked. */
export async function readCount(
  request: CountRequest,
  tokenizer: OpenTokenizer,
  settings: Settings,
): Promise<readonly TokenInput[]> {
  const given = readInputs(request, settings.callTextsMax, tokenizer.vocabulary.knows);
  return await withPrompt(given, tokenizer, request.promptName);
}

/** The sequences of a Decode request, none of them empty, all of known ids. */
export function readSequences(
  { sequences }: DecodeRequest,
  { vocabulary }: OpenTokenizer,
  { callTextsMax }: Settings,
): number[][] {
  const hasEmpty = sequences.some(({ ids }) => ids.length === 0);
  if (sequences.length === 0 || hasEmpty) {
    throw new MeshError("empty", "Input validation error: `input_ids` cannot be empty");
  }
  if (sequences.length > callTextsMax) {
    throw new MeshError("invalid", `${sequences.length} sequences, at most ${callTextsMax}`);
  }
  // The library drops ids it does not know; silence here would hide a caller's mistake.
  for (const [index, { ids }] of sequences.entries()) {
    requireIds(ids, `sequences[${index}].ids`, vocabulary.knows);
  }
  return sequences.map(({ ids }) => ids);
}

/** Undefined: no limit. */
function tokensMaxOf(
  { unlimited, tokensMax }: EncodeRequest,
  { spec }: OpenTokenizer,
): number | undefined {
  if (tokensMax === 0) {
    const description = "must be at least 1";
    throw new MeshError("invalid", `tokens_max ${description}`, {
      fields: [{ field: "tokens_max", description }],
    });
  }
  return unlimited ? undefined : Math.min(tokensMax ?? spec.tokensMax, spec.tokensMax);
}

function sideOf({ truncationSide }: EncodeRequest, { side }: OpenTokenizer): Side {
  if (truncationSide === TruncationSide.UNSPECIFIED) return side;
  return truncationSide === TruncationSide.LEFT ? "left" : "right";
}

function requireCharacters(input: TokenInput, charactersMax: number): void {
  if (input.kind === "ids") return;
  const texts = input.kind === "text" ? [input.text] : [input.first, input.second];
  const reason = tooManyCharacters(texts, charactersMax);
  if (reason !== undefined) throw new MeshError("invalid", `Input validation error: ${reason}`);
}

/** A pair has the prompt before its first text; ids become text first, special tokens left out. */
async function withPrompt(
  inputs: readonly TokenInput[],
  { native, spec }: OpenTokenizer,
  promptName: string | undefined,
): Promise<readonly TokenInput[]> {
  const prompt = promptOf(spec, promptName);
  if (prompt === "") return inputs;
  return await Promise.all(
    inputs.map(async (input): Promise<TokenInput> => {
      if (input.kind === "text") return { kind: "text", text: prompt + input.text };
      if (input.kind === "pair") return { ...input, first: prompt + input.first };
      return { kind: "text", text: prompt + (await native.decode([...input.ids], true)) };
    }),
  );
}
