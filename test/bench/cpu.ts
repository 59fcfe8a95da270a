import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/** The processor in a few words; whether it has VNNI decides what int8 can gain. Known on Linux only. */
export function describeCpu(): string {
  return `${cpus().length} x ${cpus()[0]?.model.trim()}, ${hasVnni() ? "VNNI" : "no VNNI known"}`;
}

function hasVnni(): boolean {
  try {
    return /\bavx(512)?_vnni\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false;
  }
}
