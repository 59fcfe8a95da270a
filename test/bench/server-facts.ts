// What the operating system and /metrics say about the processes under load. Linux only: elsewhere it is NaN.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** Resident memory in MB. */
export function rssMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1];
  return kilobytes === undefined ? Number.NaN : Number(kilobytes) / 1_024;
}

/** CPU time that the processes have used so far, all their threads. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticksOf = (pid: number): number => {
    // The name of the program, in parentheses, may hold spaces; user and system time are 11 fields behind it.
    const fields = read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  return pids.reduce((sum, pid) => sum + ticksOf(pid), 0) / ticksPerSecond;
}

/**
 * Watches what programs beside the bench do from now on. The returned function tells their share of all cores, with
 * what a hypervisor took; `ownSeconds` is the CPU time of the bench's own processes since then.
 */
export function watchOthers(): (ownSeconds: number) => number {
  const read = () => ({ busy: machineCpuSeconds(), wall: performance.now() / 1_000 });
  const before = read();
  return (ownSeconds) => {
    const after = read();
    const available = (after.wall - before.wall) * availableParallelism();
    return Math.max(0, after.busy - before.busy - ownSeconds) / available;
  };
}

function machineCpuSeconds(): number {
  const fields = read("/proc/stat").split("\n")[0]?.split(/ +/).slice(1).map(Number) ?? [];
  const [user, nice, system, , , irq, softirq, steal] = fields;
  const busy = [user, nice, system, irq, softirq, steal];
  return busy.reduce<number>((sum, ticks = Number.NaN) => sum + ticks, 0) / ticksPerSecond;
}

export interface TokenCounts {
  readonly tokens: number;
  readonly padding: number;
}

/** What inference has read so far; `url` is that of its process. */
export async function readTokenCounts(url: string): Promise<TokenCounts> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5_000) });
  const text = await response.text();
  const counter = (name: string): number => {
    const samples = text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
    return [...samples].reduce((sum, [, value]) => sum + Number(value), 0);
  };
  return {
    tokens: counter("arrowmesh_inference_tokens_total"),
    padding: counter("arrowmesh_inference_padding_tokens_total"),
  };
}

/** The share of what the model read that was padding, between two readings. */
export function paddingShare(before: TokenCounts, after: TokenCounts): number {
  const padding = after.padding - before.padding;
  return padding / (after.tokens - before.tokens + padding);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
