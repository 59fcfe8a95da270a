/** A float32 as the number with the fewest digits that reads back as the same float32, so that JSON shows no more. */
export function shortFloat(value: number): number {
  const single = Math.fround(value);
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  // Nine digits tell any two float32 apart (IEEE 754 binary32).
  return Number(single.toPrecision(9));
}
