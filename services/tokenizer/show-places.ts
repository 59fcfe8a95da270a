import { setImmediate } from "node:timers/promises";
import type { OffsetUnit } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import type { PlacedToken } from "./assembly.js";
import { createOffsetTable, type OffsetTable } from "./offset-units.js";

/** Tokens as callers see them. Shape [tokens] each. */
export interface ShownPlaces {
  readonly tokens: string[];
  readonly special: boolean[];
  readonly offsets: { start: number; end: number }[];
  readonly pieces: string[];
}

/** Tokens that are shown before other work has its turn: some milliseconds. */
const tokensPerTurn = 8_192;

/** The tokens of each encoding of a call, with their offsets and the parts of its texts that they stand for. */
export async function showPlaces(
  encodings: readonly {
    readonly places: Iterable<PlacedToken>;
    readonly texts: readonly string[];
  }[],
  unit: OffsetUnit,
): Promise<ShownPlaces[]> {
  let left = tokensPerTurn;
  const all: ShownPlaces[] = [];
  for (const { places, texts } of encodings) {
    const shown: ShownPlaces = { tokens: [], special: [], offsets: [], pieces: [] };
    all.push(shown);
    const tables = texts.map((text) => createOffsetTable(text, unit));
    for (const place of places) {
      show(place, tables, shown);
      left -= 1;
      if (left > 0) continue;
      await setImmediate();
      left = tokensPerTurn;
    }
  }
  return all;
}

function show(place: PlacedToken, tables: readonly OffsetTable[], shown: ShownPlaces): void {
  const { token, text, start, end, isSpecial } = place;
  const table = text === undefined ? undefined : tables[text];
  shown.tokens.push(token);
  shown.special.push(isSpecial);
  shown.offsets.push({ start: table?.unitAt(start) ?? 0, end: table?.unitAt(end) ?? 0 });
  shown.pieces.push(table?.piece(start, end) ?? "");
}
