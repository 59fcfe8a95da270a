import type { Loaded } from "./load-server.js";
import { median } from "./measure.js";
import { shown, toMarkdown } from "./table.js";

export type Weights = "int8" | "float32";

/** The peer, right after it the mesh, and then the bare server if it has these weights. */
export interface Round {
  readonly peer: Loaded;
  readonly mesh: Loaded;
  readonly bare: Loaded | undefined;
}

export interface Duel {
  readonly weights: Weights;
  readonly callers: number;
  readonly rounds: readonly Round[];
}

/** Least ratios that were asked for, by weights and callers. */
const targets: Readonly<Record<string, number>> = {
  "int8 16": 3.1,
  "int8 64": 3.4,
  "float32 16": 1.28,
  "float32 64": 1.28,
};

const header = [
  "weights of the mesh",
  "c",
  "peer fp32 texts/s",
  "mesh texts/s",
  "ratio of each round",
  "median",
  "spread",
  "mesh over a bare Node server",
  "bare ONNX Runtime over peer",
  "target",
  "p50 ms peer, mesh",
  "p99 ms peer, mesh",
  "others' CPU, most",
] as const;

/** Texts a second of bare ONNX Runtime with these weights: what no server can exceed. */
export type Limits = Readonly<Record<Weights, number>>;

/** Medians over the rounds as a Markdown table. */
export function toPeersTable(duels: readonly Duel[], limits: Limits): string {
  return toMarkdown(
    header,
    duels.map((duel) => toCells(duel, limits[duel.weights])),
  );
}

/** Mesh over peer, round by round. */
export function ratiosOf({ rounds }: Duel): number[] {
  return rounds.map(({ peer, mesh }) => mesh.textsPerSecond / peer.textsPerSecond);
}

/** From the least to the greatest, as a share of the median. */
export function spreadOf(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

function toCells(duel: Duel, limit: number): string[] {
  const { weights, callers, rounds } = duel;
  const ratios = ratiosOf(duel);
  const both = (pick: (loaded: Loaded) => number, digits: number) => [
    shown(median(rounds.map(({ peer }) => pick(peer))), digits),
    shown(median(rounds.map(({ mesh }) => pick(mesh))), digits),
  ];
  const loads = rounds.flatMap(({ peer, mesh, bare }) => [peer, mesh, ...(bare ? [bare] : [])]);
  const failures = loads.reduce((sum, loaded) => sum + loaded.failures, 0);
  const overBare = rounds.flatMap(({ mesh, bare }) =>
    bare === undefined ? [] : [mesh.textsPerSecond / bare.textsPerSecond],
  );
  return [
    failures > 0 ? `${weights} (${failures} FAILED)` : weights,
    String(callers),
    ...both(({ textsPerSecond }) => textsPerSecond, 0),
    ratios.map((value) => value.toFixed(2)).join(", "),
    `${median(ratios).toFixed(2)}x`,
    `${(100 * spreadOf(ratios)).toFixed(0)} %`,
    overBare.length === 0 ? "" : `${median(overBare).toFixed(2)}x`,
    `${(limit / median(rounds.map(({ peer }) => peer.textsPerSecond))).toFixed(2)}x`,
    verdict(median(ratios), targets[`${weights} ${callers}`]),
    both(({ latencies }) => latencies.p50, 1).join(", "),
    both(({ latencies }) => latencies.p99, 1).join(", "),
    `${(100 * Math.max(...loads.map(({ othersShare }) => othersShare))).toFixed(0)} %`,
  ];
}

function verdict(ratio: number, target: number | undefined): string {
  if (target === undefined) return "";
  return `${target}x: ${ratio >= target ? "met" : "missed"}`;
}
