import type { seeded } from "./random.js";

type Random = ReturnType<typeof seeded>;

/** Ranges of code points that tokenizers trip over, by what they are. */
const ranges: readonly (readonly [from: number, to: number])[] = [
  [0x20, 0x7e],
  [0x61, 0x7a],
  [0x00, 0x1f],
  [0x7f, 0xff],
  [0x0100, 0x024f],
  [0x0300, 0x036f],
  [0x0590, 0x06ff],
  [0x0900, 0x0d7f],
  [0x0e00, 0x0eff],
  [0x1100, 0x11ff],
  [0x1e00, 0x20ff],
  [0x2000, 0x206f],
  [0x3000, 0x30ff],
  [0x3400, 0x9fff],
  [0xac00, 0xd7a3],
  [0xe000, 0xf8ff],
  [0xf900, 0xffff],
  [0x10000, 0x1ffff],
  [0x1f300, 0x1faff],
  [0x20000, 0x2ffff],
  [0x30000, 0x10ffff],
];

/** Pieces whose code points belong together, or mean something to a tokenizer. */
const pieces: readonly string[] = [
  ..." \t\n\r\u00a0\u3000\u200b\u200d\ufeff\ufffd\ufe0f",
  ...[
    "\ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67",
    "\ud83c\uddeb\ud83c\uddf7",
    "e\u0301\u0323",
    "\u01c5",
  ],
  ...[
    "[MASK]",
    "[CLS]",
    "<mask>",
    " <mask>",
    "<s>",
    "the cat",
    " the",
    "ing",
    "caf\u00e9",
    "##ing",
    "  ",
  ],
  ...[
    "\u1112\u1161\u11ab",
    "\u05e9\u05c1\u05dc\u05d5\u05dd",
    "\ufdfa",
    "\u0130",
    "\u00df",
    "don't",
    "1,000.5",
  ],
];

/** A text of up to `piecesMax` pieces from all planes of Unicode, well-formed. */
export function randomText(random: Random, piecesMax: number): string {
  const kind = random.pick(ranges);
  const parts = Array.from({ length: random.int(piecesMax + 1) }, () => {
    const chance = random.int(4);
    if (chance === 0) return random.pick(pieces);
    return codePointOf(random, chance === 1 ? kind : random.pick(ranges));
  });
  return parts.join("");
}

/** A text of printable ASCII, spaces, and now and then a token that BERT has added. */
export function randomAscii(random: Random, piecesMax: number): string {
  const words = [
    "the",
    "cat",
    "Internationalization",
    "xqzk",
    "[",
    "]",
    "don't",
    "mask",
    "3.14",
    "UN",
    "##s",
  ];
  const parts = Array.from({ length: random.int(piecesMax + 1) }, () => {
    const chance = random.int(5);
    if (chance === 0) return random.pick([" ", "  ", "\t", "\r\n"]);
    if (chance < 3) return random.pick(words);
    return String.fromCodePoint(0x20 + random.int(0x5f)).repeat(1 + random.int(3));
  });
  return parts.join(random.pick(["", " "]));
}

function codePointOf(random: Random, [from, to]: readonly [number, number]): string {
  const codePoint = from + random.int(to - from + 1);
  const isSurrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
  return String.fromCodePoint(isSurrogate ? 0xfffd : codePoint);
}
