/** Where something stands in a file that was read. */
export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** Files that cannot be used; each problem is one line, `FILE:LINE: reason` where there is a line. */
export class InvalidFiles extends Error {
  override readonly name = "InvalidFiles";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}
