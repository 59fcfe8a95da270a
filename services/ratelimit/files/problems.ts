import { InvalidFiles, type Place } from "./invalid-files.js";

/** More would hide the first, and a file can be nothing but mistakes. */
const problemsMax = 100;
const reasonLengthMax = 300;

/** Collects what is wrong, so that whoever wrote a file reads all of it at once. */
export class Problems {
  readonly #found: { readonly file: string; readonly line: number; readonly text: string }[] = [];
  #untold = 0;

  /** `place` is a node, or a file when the reason is not in a line of it. */
  add(place: Place | string, reason: string): void {
    if (this.#found.length >= problemsMax) {
      this.#untold += 1;
      return;
    }
    const { file, line } = typeof place === "string" ? { file: place, line: 0 } : place;
    const where = line === 0 ? file : `${file}:${line}`;
    this.#found.push({ file, line, text: `${where}: ${short(reason)}` });
  }

  get isEmpty(): boolean {
    return this.#found.length === 0;
  }

  /** Throws `InvalidFiles` when there are any, file by file in the order of their lines. */
  throwIfAny(): void {
    if (this.isEmpty) return;
    const more = this.#untold === 0 ? [] : [`and ${this.#untold} more`];
    const files = [...new Set(this.#found.map(({ file }) => file))];
    const inOrder = this.#found.sort(
      (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line,
    );
    throw new InvalidFiles([...inOrder.map(({ text }) => text), ...more]);
  }
}

/** On one line and not longer than a person reads: reasons quote what stands in the file. */
function short(reason: string): string {
  const line = reason.replace(/[\s\p{Cc}]+/gu, " ");
  return line.length > reasonLengthMax ? `${line.slice(0, reasonLengthMax)}…` : line;
}
