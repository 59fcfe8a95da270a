import type { TestContext } from "node:test";

/** A seeded generator for a property test; the seed is printed, and SEED repeats a run. */
export function seeded(t: TestContext): {
  int(below: number): number;
  pick<T>(items: readonly T[]): T;
} {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`SEED=${seed}`);
  const random = mulberry32(seed);
  const int = (below: number): number => Math.floor(random() * below);
  return { int, pick: (items) => items[int(items.length)] as (typeof items)[number] };
}

/** Mulberry32 by Tommy Ettinger: a 32-bit generator of numbers in [0, 1), good enough to vary tests. */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
