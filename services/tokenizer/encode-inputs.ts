import { OffsetUnit } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { MeshError } from "../../lib/errors.js";
import {
  assembleIds,
  assemblePlaces,
  assembleTypeIds,
  cutRows,
  nowhere,
  type PlacedToken,
  wholeRows,
} from "./assembly.js";
import type { RowWants } from "./encoder.js";
import type { TokenInput } from "./inputs.js";
import { type ShownPlaces, showPlaces } from "./show-places.js";
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

/** One encoding, with places if they were asked for. */
export type Encoded = EncodedIds & Partial<ShownPlaces>;

interface EncodedIds {
  readonly ids: number[];
  /** Empty: all 0. */
  readonly typeIds: number[];
  readonly truncated: boolean;
}

/** An encoding whose places are still to be shown. */
interface Assembled {
  readonly encoding: EncodedIds;
  /** Made when they are asked for. */
  readonly places: Iterable<PlacedToken>;
}

/** Shape [inputs]. */
export async function encodeInputs(
  tokenizer: OpenTokenizer,
  inputs: readonly TokenInput[],
  options: EncodeOptions,
): Promise<Encoded[]> {
  const isPlaced = options.unit !== OffsetUnit.UNSPECIFIED;
  const tokensMax = tokensNeeded(inputs, options);
  const rows = await encodeTexts(tokenizer, inputs, { isPlaced, tokensMax });
  const assembled = inputs.map((input, index) =>
    input.kind === "ids"
      ? encodeIds(tokenizer, input.ids, options)
      : encodeRows(tokenizer, rows[index] ?? [], options),
  );
  if (!isPlaced) return assembled.map(({ encoding }) => encoding);
  const shown = await showPlaces(
    assembled.map(({ places }, index) => ({ places, texts: textsOf(inputs[index] as TokenInput) })),
    options.unit,
  );
  return assembled.map(({ encoding }, index) => ({ ...encoding, ...shown[index] }));
}

/** The rows of each input's texts. A text that several inputs share, such as a query, is encoded once. */
export async function encodeTexts(
  { encoder }: OpenTokenizer,
  inputs: readonly TokenInput[],
  wants: RowWants,
): Promise<TokenRow[][]> {
  const textsOfInputs = inputs.map(textsOf);
  const places = new Map<string, number>();
  for (const texts of textsOfInputs) {
    for (const text of texts) if (!places.has(text)) places.set(text, places.size);
  }
  const rows = places.size === 0 ? [] : await encoder.encode([...places.keys()], wants);
  const rowOf = (text: string) => rows[places.get(text) as number] as TokenRow;
  return textsOfInputs.map((texts) => texts.map(rowOf));
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

/** Of one text, or of the two of a pair. */
function encodeRows(
  { postProcessor }: OpenTokenizer,
  rows: readonly TokenRow[],
  options: EncodeOptions,
): Assembled {
  const form = postProcessor.form({ isSpecial: options.isSpecial, isPair: rows.length === 2 });
  const given = rows.reduce((total, { ids }) => total + ids.length, form.specialTokens);
  const isOver = isOverLimit(given, options);
  if (isOver) requireRoom(form.specialTokens, options);
  const kept =
    isOver && options.tokensMax !== undefined
      ? cutRows(rows, { form, tokensMax: options.tokensMax, side: options.side })
      : wholeRows(rows);
  const encoding = {
    ids: assembleIds(form, kept),
    typeIds: assembleTypeIds(form, kept),
    truncated: isOver,
  };
  return { encoding, places: assemblePlaces(form, kept, postProcessor.trim) };
}

/** Ids stay as they are, but for the limit; they stand for no text. */
function encodeIds(
  { vocabulary, specialIds }: OpenTokenizer,
  given: readonly number[],
  options: EncodeOptions,
): Assembled {
  const truncated = isOverLimit(given.length, options);
  const ids = truncated ? cutIds(given, options) : [...given];
  const places = ids.map((id) => ({
    ...nowhere,
    token: vocabulary.tokenOf(id) ?? "",
    isSpecial: specialIds.has(id),
  }));
  return { encoding: { ids, typeIds: [], truncated }, places };
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
