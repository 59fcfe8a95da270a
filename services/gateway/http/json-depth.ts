/** More than any body of these protocols has. */
export const jsonDepthMax = 64;
/** Below it not even brackets alone could hold JSON.parse up. */
const bytesMin = 16_384;

/** Whether lists and objects stand deeper in each other than that; they take JSON.parse a hundred times as long as text. */
export function isTooDeep(bytes: Buffer): boolean {
  if (bytes.length < bytesMin) return false;
  let depth = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === quote) at = endOfString(bytes, at);
    else if (byte === openingBracket || byte === openingBrace) depth += 1;
    else if (byte === closingBracket || byte === closingBrace) depth -= 1;
    if (depth > jsonDepthMax) return true;
  }
  return false;
}

const quote = 0x22;
const backslash = 0x5c;
const openingBracket = 0x5b;
const closingBracket = 0x5d;
const openingBrace = 0x7b;
const closingBrace = 0x7d;

/** The quote that ends the string which begins here; the end of the bytes without one. */
function endOfString(bytes: Buffer, from: number): number {
  let end = bytes.indexOf(quote, from + 1);
  while (end >= 0 && isEscaped(bytes, end)) end = bytes.indexOf(quote, end + 1);
  return end < 0 ? bytes.length : end;
}

/** After an odd number of backslashes. */
function isEscaped(bytes: Buffer, at: number): boolean {
  let first = at;
  while (bytes[first - 1] === backslash) first -= 1;
  return (at - first) % 2 === 1;
}
