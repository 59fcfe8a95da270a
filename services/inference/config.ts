import { type ConfigOf, integer, list, oneOf } from "../../lib/config.js";
import { modelSchema } from "../../lib/model-config.js";
import type { Dtype } from "../../lib/model-spec.js";

/** What DTYPE says, by the words that people use. */
const dtypeOf = {
  auto: "auto",
  int8: "int8",
  fp16: "float16",
  float16: "float16",
  fp32: "float32",
  float32: "float32",
} as const satisfies Readonly<Record<string, Dtype | "auto">>;
const dtypeNames = ["auto", "int8", "fp16", "float16", "fp32", "float32"] as const;

export const inferenceSchema = {
  port: {
    env: "INFERENCE_PORT",
    doc: "port of this service when it has a process of its own",
    parse: integer({ min: 0, max: 65_535 }),
    fallback: 50_052,
  },
  ...modelSchema,
  isControlAllowed: {
    env: "MODEL_CONTROL",
    doc: "whether calls may load, unload and route models: explicit (yes) or none",
    parse: oneOf(["explicit", "none"]).transform((control) => control === "explicit"),
    fallback: true,
  },
  dtype: {
    env: "DTYPE",
    doc: "weights: int8, fp16, fp32, or auto: int8 on CPUs and fp16 on GPUs where there is such a file",
    parse: oneOf(dtypeNames).transform((name): Dtype | "auto" => dtypeOf[name]),
    fallback: "auto",
  },
  providers: {
    env: "INFERENCE_PROVIDERS",
    doc: "ONNX Runtime's execution providers, first choice first, such as cuda,cpu",
    parse: list().refine((names) => names.length > 0, "expected at least one provider"),
    fallback: ["cpu"],
  },
  deviceId: {
    env: "INFERENCE_DEVICE_ID",
    doc: "which GPU",
    parse: integer({ min: 0, max: 255 }),
    fallback: 0,
  },
  workers: {
    env: "INFERENCE_WORKERS",
    doc: "worker threads of a model, each with a session; 0: what a measurement at the start finds best (one on a GPU)",
    parse: integer({ min: 0, max: 256 }),
    fallback: 0,
  },
  threadsPerWorker: {
    env: "INFERENCE_THREADS_PER_WORKER",
    doc: "intra-op threads of each session; 0: the cores divided among the workers",
    parse: integer({ min: 0, max: 256 }),
    fallback: 0,
  },
  niceness: {
    env: "INFERENCE_NICENESS",
    doc: "scheduling priority of the threads that run models, as in nice(1), on Linux: above 0 the event loop, which answers and refuses requests, goes before them, and so do other programs on the same cores; 0 changes nothing",
    parse: integer({ min: 0, max: 19 }),
    fallback: 10,
  },
  batchSequencesMax: {
    env: "INFERENCE_BATCH_SEQUENCES_MAX",
    doc: "sequences of one batch; 1 turns batching off; 0: 16 on CPUs, 64 on GPUs",
    parse: integer({ min: 0, max: 256 }),
    fallback: 0,
  },
  batchTokensMax: {
    env: "INFERENCE_BATCH_TOKENS_MAX",
    doc: "padded tokens (longest sequence times sequences) of one batch; 0: 1,024 on CPUs, 16,384 on GPUs; a model's longest sequence always fits",
    parse: integer({ min: 0, max: 1 << 20 }),
    fallback: 0,
  },
  batchOverheadTokens: {
    env: "INFERENCE_BATCH_OVERHEAD_TOKENS",
    doc: "what starting a batch costs, in tokens: so much padding is better than one more batch; 0: 8 on CPUs, 2,048 on GPUs",
    parse: integer({ min: 0, max: 1 << 20 }),
    fallback: 0,
  },
  queueMax: {
    env: "INFERENCE_QUEUE_MAX",
    doc: "waiting sequences of a model at which calls are refused as overload",
    parse: integer({ min: 1, max: 65_536 }),
    fallback: 512,
  },
  queueMsMax: {
    env: "INFERENCE_QUEUE_TIMEOUT_MS",
    doc: "milliseconds after which a waiting sequence is given up",
    parse: integer({ min: 1, max: 600_000 }),
    fallback: 10_000,
  },
  bulkWaitMsMax: {
    env: "INFERENCE_BULK_WAIT_MS",
    doc: "milliseconds after which bulk work gets one batch of four although interactive work waits",
    parse: integer({ min: 0, max: 600_000 }),
    fallback: 1_000,
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
  loadMsMax: {
    env: "MODEL_LOAD_TIMEOUT_MS",
    doc: "milliseconds a model may take to load and warm up",
    parse: integer({ min: 1_000, max: 3_600_000 }),
    fallback: 300_000,
  },
  drainMsMax: {
    env: "MODEL_DRAIN_TIMEOUT_MS",
    doc: "milliseconds that accepted work of a model gets to finish when the model is unloaded or replaced",
    parse: integer({ min: 0, max: 600_000 }),
    fallback: 30_000,
  },
  modelsMax: {
    env: "MODELS_MAX",
    doc: "versions of models that serve at once",
    parse: integer({ min: 1, max: 1_024 }),
    fallback: 32,
  },
} as const;

export type InferenceConfig = ConfigOf<typeof inferenceSchema>;
