import { Lexer } from "yaml";

/** Far more than any file of limits has, and far less than a stack holds. */
export const depthMax = 64;
const indentationMax = 200;

const bracketSteps: ReadonlyMap<string, number> = new Map([
  ["[", 1],
  ["{", 1],
  ["]", -1],
  ["}", -1],
]);
const indicators: ReadonlySet<string> = new Set(["-", "?", ":"]);
const separators: ReadonlySet<string> = new Set([",", "\n", "\r\n"]);

/**
 * The first line that nests too deeply, if one does. The parser calls itself for every level, and at the end of the
 * stack it can end the process, so this is to be known before it begins: by brackets, by indentation, and by indicators
 * that follow each other on a line.
 */
export function lineTooDeep(text: string): number | undefined {
  let line = 1;
  let brackets = 0;
  let inRow = 0;
  for (const token of new Lexer().lex(text)) {
    brackets += bracketSteps.get(token) ?? 0;
    if (indicators.has(token)) inRow += 1;
    else if (separators.has(token)) inRow = 0;
    if (brackets > depthMax || inRow > depthMax || isWideBlank(token)) return line;
    line += token.split("\n").length - 1;
  }
  return undefined;
}

function isWideBlank(token: string): boolean {
  return token.length > indentationMax && token.trim() === "";
}
