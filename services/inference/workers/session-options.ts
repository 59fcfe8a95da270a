import { basename } from "node:path";
import type { InferenceSession } from "onnxruntime-node";

/** What tools/quantize writes. */
const preparedName = "model_int8.onnx";

/**
 * How every session is opened. Files of tools/quantize are fused already: a higher optimization level would put back
 * SkipLayerNormalization, whose CPU kernel costs 30 % of the time. Nor do they need exact int8 kernels on CPUs without
 * VNNI (`x64quantprecision`), because their sums of 16 bits cannot saturate.
 */
export function sessionOptions(
  file: string,
  threads: number,
  provider = "cpu",
): InferenceSession.SessionOptions {
  const isPrepared = provider === "cpu" && basename(file) === preparedName;
  return {
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: isPrepared ? "basic" : "all",
  };
}
