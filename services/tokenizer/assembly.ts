import type { Form, Trim } from "./post-processor.js";
import type { TokenRow } from "./token-row.js";
import { keptLengths, keptRange, type Side } from "./truncation.js";

/** A row of tokens and the half-open range of it that is kept. */
export interface KeptRow {
  readonly row: TokenRow;
  readonly from: number;
  readonly to: number;
}

/** A token of an encoding and where it stands. */
export interface PlacedToken {
  readonly token: string;
  /** Which text it is of; undefined when it stands for none. */
  readonly text: 0 | 1 | undefined;
  /** In code points of its text. */
  readonly start: number;
  readonly end: number;
  readonly isSpecial: boolean;
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

/** One by one, so that whoever shows a million of them can pause. Rows must have places. */
export function* assemblePlaces(
  { pieces }: Form,
  rows: readonly KeptRow[],
  trim: Trim | undefined,
): Generator<PlacedToken> {
  for (const piece of pieces) {
    if (piece.kind === "text") yield* placesOf(rows[piece.place], piece.place, trim);
    else for (const token of piece.tokens) yield { ...nowhere, token, isSpecial: true };
  }
}

/** The place of what stands for no text. */
export const nowhere = { text: undefined, start: 0, end: 0 } as const;

function lengthOf(kept: KeptRow | undefined): number {
  return kept === undefined ? 0 : kept.to - kept.from;
}

function* placesOf(
  kept: KeptRow | undefined,
  text: 0 | 1,
  trim: Trim | undefined,
): Generator<PlacedToken> {
  if (kept?.row.places === undefined) return;
  const { tokens, starts, ends } = kept.row.places;
  for (let at = kept.from; at < kept.to; at += 1) {
    const token = tokens[at] as string;
    const place = { token, text, start: starts[at] as number, end: ends[at] as number };
    const range = trim === undefined ? place : trimmed(place, trim, at === kept.from);
    yield { token, text, start: range.start, end: range.end, isSpecial: false };
  }
}

/** How byte-level tokenizers write a space; the others are the spaces of Unicode. */
const leadingSpaces = /^[\u0120\p{White_Space}]+/u;
const trailingSpaces = /[\u0120\p{White_Space}]+$/u;

/** Takes spaces out of offsets the way Hugging Face does, which comes after cutting: the first token is special to it. */
function trimmed(
  place: { readonly token: string; readonly start: number; readonly end: number },
  { addsPrefixSpace }: Trim,
  isFirst: boolean,
): { readonly start: number; readonly end: number } {
  const leading = leadingSpaces.exec(place.token)?.[0].length ?? 0;
  const trailing = trailingSpaces.exec(place.token)?.[0].length ?? 0;
  const isOwnSpace = addsPrefixSpace && leading === 1 && (isFirst || place.start === 0);
  const start = isOwnSpace ? place.start : Math.min(place.start + leading, place.end);
  const isTrailing = trailing > 0 && place.end >= trailing;
  return { start, end: isTrailing ? Math.max(place.end - trailing, start) : place.end };
}
