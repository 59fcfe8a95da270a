/** Which end of a text's tokens is cut off. */
export type Side = "left" | "right";

/** How many tokens of each text are kept. */
export type Lengths = readonly [first: number, second: number];

/**
 * How many tokens of each text stay when both together may have `room`: the longer one loses first, and the odd token is
 * its own. A single text is a pair whose second text is empty. This is `longest_first` of Hugging Face.
 */
export function keptLengths([first, second]: Lengths, room: number): Lengths {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  const half = Math.floor(room / 2);
  const [less, more] = shorter <= half ? [shorter, room - shorter] : [half, room - half];
  return first > second ? [more, less] : [less, more];
}

/** The half-open range of `length` tokens that are left when `kept` of them are. */
export function keptRange(length: number, kept: number, side: Side): readonly [number, number] {
  return side === "left" ? [length - kept, length] : [0, kept];
}
