import type { MessageInitShape } from "@bufbuild/protobuf";
import { type EncodingSchema, OffsetUnit } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { MeshError } from "../../lib/errors.js";
import { assembleIds, assemblePlaces, assembleTypeIds, cutRows, wholeRows } from "./assembly.js";
import type { RowWants } from "./encoder.js";
import type { TokenInput } from "./inputs.js";
import { createOffsetTable, type OffsetTable } from "./offset-units.js";
import type { TokenRow } from "./token-row.js";
import type { OpenTokenizer } from "./tokenizers.js";
import type { Side } from "./truncation.js";

/** How inputs become encodings. */
export interface EncodeOptions {
  readonly isSpecial: boolean;
  /** Undefined: no limit. */
  readonly tokensMax: number | undefined;
  /** Whether what is over the limit is cut; otherwise it is refused. */
  readonly isCutting: boolean;
  readonly side: Side;
  readonly unit: OffsetUnit;
}

type EncodingInit = MessageInitShape<typeof EncodingSchema>;

/** Shape [inputs]. */
export async function encodeInputs(
  tokenizer: OpenTokenizer,
  inputs: readonly TokenInput[],
  options: EncodeOptions,
): Promise<EncodingInit[]> {
  const isPlaced = options.unit !== OffsetUnit.UNSPECIFIED;
  const tokensMax = tokensNeeded(inputs, options);
  const rows = await encodeTexts(tokenizer, inputs, { isPlaced, tokensMax });
  return inputs.map((input, index) =>
    input.kind === "ids"
      ? encodeIds(tokenizer, input.ids, options)
      : encodeRows(tokenizer, { texts: textsOf(input), rows: rows[index] ?? [] }, options),
  );
}

/** The rows of each input's texts. A text that several inputs share, such as a query, is encoded once. */
export async function encodeTexts(
  { encoder }: OpenTokenizer,
  inputs: readonly TokenInput[],
  wants: RowWants,
): Promise<TokenRow[][]> {
  const textsOfInputs = inputs.map(textsOf);
  const texts = [...new Set(textsOfInputs.flat())];
  const encoded = texts.length === 0 ? [] : await encoder.encode(texts, wants);
  const rows = new Map(texts.map((text, index) => [text, encoded[index] as TokenRow]));
  return textsOfInputs.map((own) => own.map((text) => rows.get(text) as TokenRow));
}

/**
 * How many tokens of each text can matter: when single texts are cut on the right, one more than may stay, which tells
 * that there are more. In pairs, which text loses how much depends on the lengths of both.
 */
function tokensNeeded(
  inputs: readonly TokenInput[],
  { tokensMax, isCutting, side }: EncodeOptions,
): number | undefined {
  if (tokensMax === undefined || !isCutting || side === "left") return undefined;
  return inputs.some(({ kind }) => kind === "pair") ? undefined : tokensMax + 1;
}

function textsOf(input: TokenInput): string[] {
  if (input.kind === "ids") return [];
  return input.kind === "text" ? [input.text] : [input.first, input.second];
}

/** One text, or the two of a pair. */
function encodeRows(
  { postProcessor }: OpenTokenizer,
  { texts, rows }: { readonly texts: readonly string[]; readonly rows: readonly TokenRow[] },
  options: EncodeOptions,
): EncodingInit {
  const form = postProcessor.form({ isSpecial: options.isSpecial, isPair: rows.length === 2 });
  const given = rows.reduce((total, { ids }) => total + ids.length, form.specialTokens);
  const isOver = isOverLimit(given, options);
  if (isOver) requireRoom(form.specialTokens, options);
  const kept =
    isOver && options.tokensMax !== undefined
      ? cutRows(rows, { form, tokensMax: options.tokensMax, side: options.side })
      : wholeRows(rows);
  const ids = assembleIds(form, kept);
  const typeIds = assembleTypeIds(form, kept);
  if (options.unit === OffsetUnit.UNSPECIFIED) return { ids, typeIds, truncated: isOver };
  const tables = texts.map((text) => createOffsetTable(text, options.unit));
  const placed = assemblePlaces(form, kept, postProcessor.trim);
  return { ids, typeIds, truncated: isOver, ...showPlaces(placed, tables) };
}

function showPlaces(
  { tokens, starts, ends, texts }: ReturnType<typeof assemblePlaces>,
  tables: readonly OffsetTable[],
): EncodingInit {
  const tableOf = (index: number): OffsetTable | undefined => {
    const text = texts[index];
    return text === undefined ? undefined : tables[text];
  };
  const startOf = (index: number): number => starts[index] ?? 0;
  const endOf = (index: number): number => ends[index] ?? 0;
  return {
    tokens: [...tokens],
    special: texts.map((text) => text === undefined),
    offsets: tokens.map((_, index) => ({
      start: tableOf(index)?.unitAt(startOf(index)) ?? 0,
      end: tableOf(index)?.unitAt(endOf(index)) ?? 0,
    })),
    pieces: tokens.map((_, index) => tableOf(index)?.piece(startOf(index), endOf(index)) ?? ""),
  };
}

/** Ids stay as they are, but for the limit; they stand for no text. */
function encodeIds(
  { vocabulary, specialIds }: OpenTokenizer,
  given: readonly number[],
  options: EncodeOptions,
): EncodingInit {
  const truncated = isOverLimit(given.length, options);
  const ids = truncated ? cutIds(given, options) : [...given];
  if (options.unit === OffsetUnit.UNSPECIFIED) return { ids, truncated };
  return {
    ids,
    truncated,
    tokens: ids.map((id) => vocabulary.tokenOf(id) ?? ""),
    offsets: ids.map(() => ({})),
    pieces: ids.map(() => ""),
    special: ids.map((id) => specialIds.has(id)),
  };
}

function cutIds(ids: readonly number[], { tokensMax = ids.length, side }: EncodeOptions): number[] {
  return side === "left" ? ids.slice(ids.length - tokensMax) : ids.slice(0, tokensMax);
}

/** Whether something has to be cut; throws when it may not be. The words are those of text-embeddings-inference. */
function isOverLimit(given: number, { tokensMax, isCutting }: EncodeOptions): boolean {
  if (tokensMax === undefined || given <= tokensMax) return false;
  if (isCutting) return true;
  throw new MeshError(
    "invalid",
    `Input validation error: \`inputs\` must have less than ${tokensMax} tokens. Given: ${given}`,
  );
}

function requireRoom(specialTokens: number, { tokensMax }: EncodeOptions): void {
  if (tokensMax === undefined || tokensMax >= specialTokens) return;
  const description = `${tokensMax} is less than the ${specialTokens} special tokens of an encoding`;
  throw new MeshError("invalid", `tokens_max: ${description}`, {
    fields: [{ field: "tokens_max", description }],
  });
}
