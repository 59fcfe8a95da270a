/** The end of an axis that holds all values: 1, 2 or 5 times a power of ten, and at least `least`. */
export function axisEnd(values: readonly number[], least: number): number {
  const largest = values.reduce((max, value) => Math.max(max, value), least);
  const power = 10 ** Math.floor(Math.log10(largest));
  const digit = [1, 2, 5, 10].find((step) => step * power >= largest * (1 - 1e-9)) ?? 10;
  return digit * power;
}

/** Corners of lines; `undefined` ends a line and the next corner begins another. */
export type Corner = readonly [x: number, y: number] | undefined;

/** A path through all corners. */
export function lineThrough(corners: readonly Corner[]): string {
  let command = "M";
  const steps = corners.map((corner) => {
    if (corner === undefined) {
      command = "M";
      return "";
    }
    const step = `${command}${round(corner[0])} ${round(corner[1])}`;
    command = "L";
    return step;
  });
  return steps.join("");
}

/** The surface between two lines with corners at the same places, without what lies at gaps. */
export function areaBetween(upper: readonly Corner[], lower: readonly Corner[]): string {
  return runsOf(upper, lower)
    .filter((run) => run.length > 1)
    .map((run) => {
      const above = run.map(([corner]) => corner);
      const below = run.map(([, corner]) => corner).reverse();
      return `${lineThrough([...above, ...below])}Z`;
    })
    .join("");
}

function runsOf(upper: readonly Corner[], lower: readonly Corner[]) {
  const runs: (readonly [Corner, Corner])[][] = [[]];
  for (const [at, above] of upper.entries()) {
    const below = lower[at];
    if (above === undefined || below === undefined) runs.push([]);
    else runs.at(-1)?.push([above, below]);
  }
  return runs;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
