import { type ConfigOf, integer, oneOf } from "../../lib/config.js";
import { modelSchema } from "../../lib/model-config.js";

export const inferenceSchema = {
  port: {
    env: "INFERENCE_PORT",
    doc: "port of this service when it has a process of its own",
    parse: integer({ min: 0, max: 65_535 }),
    fallback: 50_052,
  },
  ...modelSchema,
  dtype: {
    env: "DTYPE",
    doc: "weights: int8 (onnx/model_int8.onnx) or float32 (onnx/model.onnx)",
    parse: oneOf(["int8", "float32"]),
    fallback: "int8",
  },
  workers: {
    env: "INFERENCE_WORKERS",
    doc: "worker threads, each with one session; 0 means one for each core",
    parse: integer({ min: 0, max: 256 }),
    fallback: 0,
  },
  threadsPerWorker: {
    env: "INFERENCE_THREADS_PER_WORKER",
    doc: "intra-op threads of each session",
    parse: integer({ min: 1, max: 256 }),
    fallback: 1,
  },
  batchSequencesMax: {
    env: "INFERENCE_BATCH_SEQUENCES_MAX",
    doc: "sequences of one batch; 1 turns batching off",
    parse: integer({ min: 1, max: 256 }),
    fallback: 8,
  },
  batchTokensMax: {
    env: "INFERENCE_BATCH_TOKENS_MAX",
    doc: "padded tokens (longest sequence times sequences) of one batch",
    parse: integer({ min: 1, max: 1 << 20 }),
    fallback: 1_024,
  },
  queueMax: {
    env: "INFERENCE_QUEUE_MAX",
    doc: "waiting sequences at which calls are refused as overload",
    parse: integer({ min: 1, max: 65_536 }),
    fallback: 512,
  },
  callSequencesMax: {
    env: "INFERENCE_CALL_SEQUENCES_MAX",
    doc: "sequences of one call",
    parse: integer({ min: 1, max: 65_536 }),
    fallback: 2_048,
  },
  batchMsMax: {
    env: "INFERENCE_BATCH_MS_MAX",
    doc: "milliseconds after which a worker that does not answer is replaced",
    parse: integer({ min: 100, max: 600_000 }),
    fallback: 30_000,
  },
} as const;

export type InferenceConfig = ConfigOf<typeof inferenceSchema>;
