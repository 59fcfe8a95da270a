import type { Form, Trim } from "./post-processor.js";
import type { TokenPlaces, TokenRow } from "./token-row.js";
import { keptLengths, keptRange, type Side } from "./truncation.js";

/** A row of tokens and the half-open range of it that is kept. */
export interface KeptRow {
  readonly row: TokenRow;
  readonly from: number;
  readonly to: number;
}

/** Tokens of an encoding with their places. */
export interface PlacedTokens extends TokenPlaces {
  /** Shape [tokens]: which text each token is of; undefined for special tokens. */
  readonly texts: readonly (0 | 1 | undefined)[];
}

/** Cuts the rows of one text or of a pair so that the form's special tokens fit into `tokensMax` with them. */
export function cutRows(
  rows: readonly TokenRow[],
  {
    form,
    tokensMax,
    side,
  }: { readonly form: Form; readonly tokensMax: number; readonly side: Side },
): KeptRow[] {
  const [first = 0, second = 0] = rows.map(({ ids }) => ids.length);
  const kept = keptLengths([first, second], tokensMax - form.specialTokens);
  return rows.map((row, place) => {
    const [from, to] = keptRange(row.ids.length, kept[place] ?? 0, side);
    return { row, from, to };
  });
}

/** Rows of which nothing is cut. */
export function wholeRows(rows: readonly TokenRow[]): KeptRow[] {
  return rows.map((row) => ({ row, from: 0, to: row.ids.length }));
}

export function assembleIds({ pieces }: Form, rows: readonly KeptRow[]): number[] {
  const ids: number[] = [];
  for (const piece of pieces) {
    if (piece.kind === "special") ids.push(...piece.ids);
    else addIds(ids, rows[piece.place]);
  }
  return ids;
}

/** One by one: this is in the way of each text, and `slice` and `flatMap` cost a fifth of its time. */
function addIds(ids: number[], kept: KeptRow | undefined): void {
  if (kept === undefined) return;
  for (let at = kept.from; at < kept.to; at += 1) ids.push(kept.row.ids[at] as number);
}

/** Empty when all of them are 0. */
export function assembleTypeIds({ pieces, hasTypes }: Form, rows: readonly KeptRow[]): number[] {
  if (!hasTypes) return [];
  const parts = pieces.map((piece) => {
    const length = piece.kind === "special" ? piece.ids.length : lengthOf(rows[piece.place]);
    return new Array<number>(length).fill(piece.typeId);
  });
  const typeIds = parts.flat();
  return typeIds.some((id) => id !== 0) ? typeIds : [];
}

/** Rows must have places. */
export function assemblePlaces(
  { pieces }: Form,
  rows: readonly KeptRow[],
  trim: Trim | undefined,
): PlacedTokens {
  const parts = pieces.map((piece): PlacedTokens => {
    if (piece.kind === "special") {
      const zeros = piece.ids.map(() => 0);
      const texts = piece.ids.map(() => undefined);
      return { tokens: piece.tokens, starts: zeros, ends: zeros, texts };
    }
    const places = placesOf(rows[piece.place], trim);
    return { ...places, texts: places.tokens.map(() => piece.place) };
  });
  return {
    tokens: parts.flatMap(({ tokens }) => tokens),
    starts: parts.flatMap(({ starts }) => starts),
    ends: parts.flatMap(({ ends }) => ends),
    texts: parts.flatMap(({ texts }) => texts),
  };
}

function lengthOf(kept: KeptRow | undefined): number {
  return kept === undefined ? 0 : kept.to - kept.from;
}

const noPlaces: TokenPlaces = { tokens: [], starts: [], ends: [] };

function placesOf(kept: KeptRow | undefined, trim: Trim | undefined): TokenPlaces {
  if (kept?.row.places === undefined) return noPlaces;
  const { tokens, starts, ends } = kept.row.places;
  const { from, to } = kept;
  const places = {
    tokens: tokens.slice(from, to),
    starts: starts.slice(from, to),
    ends: ends.slice(from, to),
  };
  if (trim !== undefined) trimSpaces(places, trim);
  return places;
}

/** How byte-level tokenizers write a space; the others are the spaces of Unicode. */
const leadingSpaces = /^[\u0120\p{White_Space}]+/u;
const trailingSpaces = /[\u0120\p{White_Space}]+$/u;

/** Takes spaces out of offsets the way Hugging Face does, which comes after cutting: the first token is special to it. */
function trimSpaces(
  places: {
    readonly tokens: readonly string[];
    readonly starts: number[];
    readonly ends: number[];
  },
  { addsPrefixSpace }: Trim,
): void {
  const { tokens, starts, ends } = places;
  for (const [index, token] of tokens.entries()) {
    const leading = leadingSpaces.exec(token)?.[0].length ?? 0;
    const trailing = trailingSpaces.exec(token)?.[0].length ?? 0;
    let start = starts[index] as number;
    let end = ends[index] as number;
    const isOwnSpace = addsPrefixSpace && leading === 1 && (index === 0 || start === 0);
    if (leading > 0 && !isOwnSpace) start = Math.min(start + leading, end);
    if (trailing > 0 && end >= trailing) end = Math.max(end - trailing, start);
    starts[index] = start;
    ends[index] = end;
  }
}
