import { OffsetUnit } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";

/** Where the code points of a text stand in its other units. */
export interface OffsetTable {
  /** The unit wanted, at the start of a code point; at the number of code points, the text's length. */
  unitAt(codePoint: number): number;
  /** The text between two code points. */
  piece(start: number, end: number): string;
}

/** The tokenizer counts code points; callers want bytes or UTF-16 as well. */
export function createOffsetTable(text: string, unit: OffsetUnit): OffsetTable {
  const utf16 = utf16Offsets(text);
  const utf16At = (codePoint: number): number =>
    utf16 === undefined ? codePoint : (utf16[codePoint] ?? text.length);
  const bytes = unit === OffsetUnit.BYTES ? byteOffsets(text) : undefined;
  const piece = (start: number, end: number): string => text.slice(utf16At(start), utf16At(end));
  if (unit === OffsetUnit.UTF16) return { unitAt: utf16At, piece };
  if (bytes === undefined) return { unitAt: (codePoint) => codePoint, piece };
  return { unitAt: (codePoint) => bytes[utf16At(codePoint)] ?? 0, piece };
}

const beyondBasicPlane = /[\ud800-\udbff]/;
const beyondAscii = /[^\0-\x7f]/;

/** By code point; undefined when every code point is one unit. */
function utf16Offsets(text: string): Uint32Array | undefined {
  if (!beyondBasicPlane.test(text)) return undefined;
  const offsets = new Uint32Array(text.length + 1);
  let codePoints = 0;
  for (let at = 0; at < text.length; at += 1) {
    offsets[codePoints++] = at;
    if (isHighSurrogate(text.charCodeAt(at))) at += 1;
  }
  offsets[codePoints] = text.length;
  return offsets.subarray(0, codePoints + 1);
}

/** By UTF-16 unit, each at the start of a code point; undefined when every unit is one byte. */
function byteOffsets(text: string): Uint32Array | undefined {
  if (!beyondAscii.test(text)) return undefined;
  const offsets = new Uint32Array(text.length + 1);
  let bytes = 0;
  for (let at = 0; at < text.length; at += 1) {
    offsets[at] = bytes;
    const unit = text.charCodeAt(at);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    // The two halves of a pair are four bytes together.
    else if (isHighSurrogate(unit) || (unit >= 0xdc00 && unit <= 0xdfff)) bytes += 2;
    else bytes += 3;
  }
  offsets[text.length] = bytes;
  return offsets;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
