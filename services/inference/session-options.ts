import { readFileSync } from "node:fs";
import { arch } from "node:os";
import type { InferenceSession } from "onnxruntime-node";

/**
 * How every session is opened. The model files are fused already, and a higher optimization level would put back
 * SkipLayerNormalization, whose CPU kernel costs 30 % of the time on CPUs with VNNI.
 *
 * Without VNNI, ONNX Runtime multiplies int8 by instructions that saturate at 16 bits, which costs accuracy (mean
 * cosine 0.9945 instead of 0.9982). `x64quantprecision` makes it use exact ones, 28 % slower, and needs `extended`
 * (onnxruntime_session_options_config_keys.h, kOrtSessionOptionsAvx2PrecisionMode).
 */
export function sessionOptions(threads: number, provider = "cpu"): InferenceSession.SessionOptions {
  const common = {
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  } as const;
  // Other devices have kernels of their own, which fusion serves well.
  if (provider !== "cpu") return { ...common, graphOptimizationLevel: "all" };
  if (arch() !== "x64" || hasVnni()) return { ...common, graphOptimizationLevel: "basic" };
  return {
    ...common,
    graphOptimizationLevel: "extended",
    extra: { session: { x64quantprecision: "1" } },
  };
}

/** Known on Linux only; elsewhere the exact way is the safe one. */
export function hasVnni(): boolean {
  try {
    return /\bavx(512)?_vnni\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false;
  }
}
