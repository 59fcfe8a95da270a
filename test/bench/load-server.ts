import { randomInt } from "node:crypto";
import { generateLoad } from "./load/generate-load.js";
import type { LoadOrder, LoadResult } from "./load/order.js";
import { cpuSeconds, watchOthers } from "./server-facts.js";
import { equalLengths } from "./texts.js";

/** A load for any server. */
export type LoadSpec = Omit<LoadOrder, "url" | "seconds" | "seed">;

export interface Target {
  /** With the path, for HTTP. */
  readonly url: string;
  /** Its processes. */
  readonly pids: readonly number[];
}

/** A load, and what the server spent on it. */
export interface Loaded extends LoadResult {
  readonly cpuMsPerText: number;
  /** Share of all cores that programs beside the bench used, or that a hypervisor took. */
  readonly othersShare: number;
}

/** Loads a server with texts that it has not seen, and watches what that costs. */
export async function loadServer(
  { url, pids }: Target,
  spec: LoadSpec,
  seconds: number,
): Promise<Loaded> {
  const cpuBefore = cpuSeconds(pids);
  const shareOfOthers = watchOthers();
  const result = await generateLoad({ ...spec, url, seconds, seed: randomInt(2 ** 31) });
  const server = cpuSeconds(pids) - cpuBefore;
  return {
    ...result,
    cpuMsPerText: (server * 1_000) / (result.answers * spec.textsPerCall),
    othersShare: shareOfOthers(server + result.generatorSeconds),
  };
}

/** Single texts of equal length from callers that wait for each answer. */
export function singleTexts(callers: number): LoadSpec {
  return {
    protocol: "http",
    textsPerCall: 1,
    lengths: equalLengths,
    arrivals: { kind: "closed", callers },
  };
}

/**
 * Before a server is measured: until its hot paths are compiled as well as they will be. V8 optimises a function that was
 * called 3,000 times, and four processes ask one another less often than they are asked: at 64 callers they gain a quarter
 * in this time, one process an eighth.
 */
export const warmUpSeconds = 20;

const repeatedTexts = 8;

/** Where the cost of a part of the mesh is looked for: with the model at work, and where texts come again and it rests. */
export const overheadLoads: Readonly<Record<string, LoadSpec>> = {
  "single text, c=64": singleTexts(64),
  [`the same ${repeatedTexts} texts, c=64`]: { ...singleTexts(64), distinctTexts: repeatedTexts },
};
