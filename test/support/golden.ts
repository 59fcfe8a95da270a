import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../lib/package-root.js";

const folder = join(packageRoot, "../shared/golden");

/** For the `skip` of a test that needs the golden files, which stand beside the project. */
export const goldenMissing: string | false = existsSync(folder)
  ? false
  : "../shared/golden is not there";

/** Texts and their vectors by the fp32 model. */
export function readGoldenEmbeddings(): { text: string; embedding: number[] }[] {
  return readLines("embeddings.jsonl") as { text: string; embedding: number[] }[];
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i += 1) {
    const x = a[i] as number;
    const y = b[i] as number;
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / Math.sqrt(aa * bb);
}

function readLines(file: string): unknown[] {
  return readFileSync(join(folder, file), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}
