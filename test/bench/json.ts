// npm run bench:json: vectors as JSON, by our writer and by JSON.stringify on the same numbers.

import { toJsonArrays } from "../../services/gateway/http/json-vectors.js";
import { describeCpu } from "./cpu.js";
import { shown, toMarkdown } from "./table.js";

const rounds = 9;
const roundMs = 150;
const dimensions = 384;

/** Makes the bytes of an answer. */
type Write = () => Buffer;

const rows: string[][] = [];
for (const count of [1, 32, 256]) {
  const vectors = Array.from({ length: count }, createVector);
  const plain = vectors.map((vector) => [...vector]);
  const ways: Readonly<Record<string, Write>> = {
    writer: () => toJsonArrays(vectors),
    stringify: () => Buffer.from(JSON.stringify(plain)),
  };
  rows.push(compare(count, ways));
}
console.log(`${describeCpu()}; Node ${process.version}; medians of ${rounds} rounds in turns\n`);
const header = ["vectors", "writer ns", "bytes", "JSON.stringify ns", "bytes", "times as fast"];
console.log(toMarkdown(header, rows));

/** The rounds of both take turns, because machines drift. Per number. */
function compare(count: number, ways: Readonly<Record<string, Write>>): string[] {
  const measured = new Map<Write, number[]>(Object.values(ways).map((write) => [write, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [write, times] of measured) {
      const nanoseconds = measure(write) / (count * dimensions);
      // The first round warms up.
      if (round > 0) times.push(nanoseconds);
    }
  }
  const [ours = Number.NaN, theirs = Number.NaN] = [...measured.values()].map(medianOf);
  const [size = 0, plainSize = 0] = Object.values(ways).map((write) => write().length);
  const bytesOf = (bytes: number): string => shown(bytes / (count * dimensions), 1);
  const cells = [shown(ours, 0), bytesOf(size), shown(theirs, 0), bytesOf(plainSize)];
  return [`${count}`, ...cells, shown(theirs / ours, 1)];
}

/** Nanoseconds of one writing. */
function measure(write: Write): number {
  const startedAt = performance.now();
  let times = 0;
  while (performance.now() - startedAt < roundMs) {
    write();
    times += 1;
  }
  return ((performance.now() - startedAt) * 1e6) / times;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Of length 1, as models give them: no number is round. */
function createVector(): Float32Array {
  const values = Float32Array.from({ length: dimensions }, () => Math.random() + Math.random() - 1);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}
