import type { FastifyInstance, FastifySchema } from "fastify";
import { z } from "zod";
import { describeProtocol, type Protocol } from "../openapi/route-schemas.js";
import { inferBody } from "./read-request.js";

/** Puts the routes of this scope into the document. Their bodies may be binary or packed, so handlers read them. */
export function describeOip(scope: FastifyInstance): void {
  describeProtocol(scope, protocol);
  scope.setValidatorCompiler(() => () => true);
}

const protocol: Protocol = {
  tag: "Open Inference Protocol",
  description:
    "The REST form of the protocol that KServe and Triton speak, with Triton's extensions: binary tensor data, model " +
    "repository, configuration, statistics. Models that take texts have an input of type BYTES for them.",
  error: {
    schema: z.object({ error: z.string() }).meta({ id: "OipError" }),
    statuses: [400, 401, 403, 404, 413, 415, 429, 500, 501, 503, 504],
  },
};

const modelName = z.string().meta({
  description: "The name of a model; its slashes may stand as they are.",
  examples: ["sentence-transformers/all-MiniLM-L6-v2"],
});
const onlyModel = z.object({ model: modelName });
const modelAndVersion = z.object({
  model: modelName,
  version: z.string().meta({ description: "A version of it.", examples: ["1"] }),
});

const tensor = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int()) });
const scalars = z.record(z.string(), z.union([z.boolean(), z.number(), z.string()]));

const live = z.object({ live: z.boolean() });
const ready = z.object({ ready: z.boolean() });
const modelReady = z.object({ name: z.string(), ready: z.boolean() });

const metadata = z
  .object({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string(),
    inputs: z.array(tensor),
    outputs: z.array(tensor),
  })
  .meta({ id: "OipModelMetadata" });

const configTensor = z.object({
  name: z.string(),
  data_type: z.string(),
  dims: z.array(z.int()),
  optional: z.boolean().optional(),
});

const config = z
  .object({
    name: z.string(),
    platform: z.string(),
    backend: z.string(),
    version_policy: z.record(z.string(), z.unknown()),
    max_batch_size: z.int(),
    input: z.array(configTensor),
    output: z.array(configTensor),
    default_model_filename: z.string(),
    parameters: z.record(z.string(), z.object({ string_value: z.string() })),
  })
  .meta({ id: "OipModelConfig" });

const duration = z.object({ count: z.int(), ns: z.int() });

const statistics = z
  .object({
    model_stats: z.array(
      z.object({
        name: z.string(),
        version: z.string(),
        last_inference: z.int(),
        inference_count: z.int(),
        execution_count: z.int(),
        inference_stats: z.object({
          ...{ success: duration, fail: duration, queue: duration },
          ...{ compute_input: duration, compute_infer: duration, compute_output: duration },
          ...{ cache_hit: duration, cache_miss: duration },
        }),
        batch_stats: z.array(z.unknown()),
        memory_usage: z.array(z.unknown()),
        response_stats: z.record(z.string(), z.unknown()),
      }),
    ),
  })
  .meta({ id: "OipStatistics" });

const inferAnswer = z
  .object({
    id: z.string().optional(),
    model_name: z.string(),
    model_version: z.string(),
    parameters: scalars.optional(),
    outputs: z.array(
      tensor.extend({
        parameters: scalars.optional(),
        data: z.array(z.unknown()).optional(),
      }),
    ),
  })
  .meta({ id: "OipInferAnswer" });

const index = z
  .array(z.object({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() }))
  .meta({ id: "OipRepositoryIndex" });

/** Body of POST /v2/repository/index. */
export const indexBody = z.object({ ready: z.boolean().nullish() });

/** Body of a change of the repository. */
export const changeBody = z.object({
  parameters: z.record(z.string(), z.unknown()).nullish(),
});

const bytes = z.unknown().meta({
  description:
    "JSON, and behind it the raw tensors; `inference-header-content-length` is the length of the JSON.",
});

const infer: FastifySchema = {
  summary: "Run a model",
  description:
    "With `content-type: application/octet-stream` inputs may follow the JSON as raw little-endian bytes, and with " +
    "`binary_data_output` outputs do so in the answer. The body may be packed with gzip or deflate.",
  body: {
    content: {
      "application/json": { schema: inferBody },
      "application/octet-stream": { schema: bytes },
    },
  },
  examples: {
    "A text": { inputs: [{ name: "text", datatype: "BYTES", shape: [1], data: ["Hello"] }] },
    "Two texts, one output": {
      inputs: [{ name: "text", datatype: "BYTES", shape: [2], data: ["Hello", "Goodbye"] }],
      outputs: [{ name: "sentence_embedding" }],
    },
  },
  response: {
    200: {
      content: {
        "application/json": { schema: inferAnswer },
        "application/octet-stream": { schema: bytes },
      },
    },
  },
};

/** What stands in the document for each route. */
export const schemas = {
  server: {
    summary: "Name, version and extensions of the server",
    response: {
      200: z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) }),
    },
  },
  live: { summary: "Whether the server lives", response: { 200: live, 400: live } },
  ready: { summary: "Whether the server can answer", response: { 200: ready, 400: ready } },
  statistics: { summary: "Statistics of all models", response: { 200: statistics } },
  describe: {
    paths: ofModel({
      "": { summary: "Inputs and outputs of a model", response: { 200: metadata } },
      "/ready": {
        summary: "Whether a model can answer",
        response: { 200: modelReady, 400: modelReady },
      },
      "/config": { summary: "Configuration of a model", response: { 200: config } },
      "/stats": { summary: "Statistics of a model", response: { 200: statistics } },
    }),
  },
  infer: { paths: ofModel({ "/infer": infer }) },
  index: {
    summary: "The models of the repository, and whether they are ready",
    body: indexBody.optional(),
    examples: { "All models": {}, "Only those that are ready": { ready: true } },
    response: { 200: index },
  },
  change: {
    paths: Object.fromEntries(
      (["load", "unload"] as const).map((change) => [
        `/v2/repository/models/:model/${change}`,
        {
          summary: change === "load" ? "Load a model, or load it anew" : "Unload a model",
          description: "Pages of origins that `CORS_ORIGINS` does not name are refused.",
          params: onlyModel,
          body: changeBody.optional(),
        },
      ]),
    ),
  },
} satisfies Readonly<Record<string, FastifySchema>>;

/** The paths below a model, and below one of its versions. */
function ofModel(
  actions: Readonly<Record<string, FastifySchema>>,
): Readonly<Record<string, FastifySchema>> {
  const paths = Object.entries(actions).flatMap(([action, schema]): [string, FastifySchema][] => [
    [`/v2/models/:model${action}`, { params: onlyModel, ...schema }],
    [`/v2/models/:model/versions/:version${action}`, { params: modelAndVersion, ...schema }],
  ]);
  return Object.fromEntries(paths);
}
