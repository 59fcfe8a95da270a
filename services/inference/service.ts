import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type EmbedRequest,
  type EmbedResponse,
  type EmbedResponseSchema,
  InferenceService,
  type Job,
  Priority,
  type Ran,
  Task,
  type TokenSequence,
} from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../lib/errors.js";
import type { ModelSpec } from "../../lib/model-spec.js";
import { type Binding, bind, type CallContext } from "../../lib/rpc/call.js";
import type { Row, RowOutput } from "./batching/batch.js";
import type { CallTiming } from "./batching/items.js";
import type { InferenceConfig } from "./config.js";
import { embedEach } from "./embed-each.js";
import type { LoadedModel } from "./models/loaded-model.js";
import type { Repository } from "./models/repository.js";
import type { WorkOptions } from "./models/served-model.js";
import { logistic, softmax } from "./workers/scores.js";

/** token ids -> model's queue -> batch -> worker -> vectors or scores */
export function createInference(
  config: Pick<InferenceConfig, "callSequencesMax">,
  repository: Repository,
): Binding {
  const rowsOf = (
    model: LoadedModel,
    sequences: readonly TokenSequence[],
    output: RowOutput,
  ): readonly Row[] => {
    validate(sequences, model.spec, config.callSequencesMax);
    return sequences.map(({ ids, typeIds }) => ({ ids, typeIds, output }));
  };

  const embed = async (
    { job, sequences, normalize }: EmbedRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof EmbedResponseSchema>> => {
    const model = resolve(repository, job, ["embedding"]);
    const { dimensions } = vectorsOf(model);
    const rows = rowsOf(model, sequences, (normalize ?? true) ? "unit_vector" : "vector");
    const vectors = new Float32Array(rows.length * dimensions);
    const timing = await model.run(rows, optionsOf(job, context), (row, values) =>
      vectors.set(values, row * dimensions),
    );
    return { ran: ranOf(model, timing), dimensions, vectors: bytesOf(vectors) };
  };

  return bind(InferenceService, {
    embed,

    embedEach: (requests, context) => embedEach(requests, context, embed),

    async embedTokens({ job, sequences }, context) {
      const model = resolve(repository, job, ["embedding"]);
      const rows = rowsOf(model, sequences, "token_vectors");
      const { results, timing } = await collect(model, rows, optionsOf(job, context));
      const dimensions = vectorsOf(model).hiddenSize;
      return { ran: ranOf(model, timing), dimensions, vectors: results.map(bytesOf) };
    },

    async embedSparse({ job, sequences }, context) {
      const model = resolve(repository, job, ["sparse"]);
      const rows = rowsOf(model, sequences, "sparse");
      const { results, timing } = await collect(model, rows, optionsOf(job, context));
      return { ran: ranOf(model, timing), vectors: results.map(fromPairs) };
    },

    async classify({ job, sequences, raw, head }, context) {
      const model = resolve(repository, job, ["classification", "reranking", "embedding"]);
      const { output, labels, isMultiLabel } = classifierOf(model, head);
      const rows = rowsOf(model, sequences, output);
      const { results, timing } = await collect(model, rows, optionsOf(job, context));
      const toScores = isMultiLabel ? (row: Float32Array) => row.map(logistic) : softmax;
      const scores = raw ? results : results.map(toScores);
      return {
        ran: ranOf(model, timing),
        labels: [...labels],
        scores: scores.flatMap((values) => [...values]),
      };
    },

    listModels: () => ({ models: repository.loaded().map((model) => describe(model, repository)) }),
  });
}

function resolve(
  repository: Repository,
  job: Job | undefined,
  tasks: readonly ModelSpec["task"][],
): LoadedModel {
  const model = repository.resolve(job?.model ?? "", job?.version ?? "");
  if (tasks.includes(model.spec.task)) return model;
  throw new MeshError("invalid", `${model.name} is a model for ${model.spec.task}, not for this`);
}

function optionsOf(job: Job | undefined, { signal, trace }: CallContext): WorkOptions {
  const { priority = Priority.UNSPECIFIED, caller = "" } = job ?? {};
  return { priority, caller, signal, trace };
}

function ranOf(
  { name, version, revision }: LoadedModel,
  timing: CallTiming,
): Omit<Ran, "$typeName"> {
  return { model: name, version, revision, ...timing };
}

function vectorsOf({ spec, name }: LoadedModel) {
  if (spec.task === "embedding") return spec;
  throw new MeshError("invalid", `${name} has no vectors`);
}

/** The model's own scores, or those of a head over its vectors. */
function classifierOf(
  { name, spec }: LoadedModel,
  head: string,
): {
  readonly output: RowOutput;
  readonly labels: readonly string[];
  readonly isMultiLabel: boolean;
} {
  if (spec.task === "classification" || spec.task === "reranking") {
    const { labels, isMultiLabel } = spec;
    return { output: "logits", labels, isMultiLabel: isMultiLabel || labels.length === 1 };
  }
  const heads = spec.task === "embedding" ? spec.heads : [];
  const index = head === "" ? 0 : heads.findIndex((other) => other.name === head);
  const found = heads[index];
  if (found === undefined) {
    throw new MeshError("invalid", `${name} has no classification head ${head}`.trimEnd());
  }
  const { labels } = found;
  return { output: { head: index }, labels, isMultiLabel: labels.length === 1 };
}

/** The numbers of each row, in order. */
async function collect(
  model: LoadedModel,
  rows: readonly Row[],
  options: WorkOptions,
): Promise<{ readonly results: readonly Float32Array[]; readonly timing: CallTiming }> {
  const results = new Array<Float32Array>(rows.length);
  const timing = await model.run(rows, options, (row, values) => {
    results[row] = values.slice();
  });
  return { results, timing };
}

/** Pairs of id (bits of a uint32) and weight. */
function fromPairs(pairs: Float32Array): { ids: number[]; weights: number[] } {
  const bits = new Uint32Array(pairs.buffer, pairs.byteOffset, pairs.length);
  const ids: number[] = [];
  const weights: number[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    ids.push(bits[i] as number);
    weights.push(pairs[i + 1] as number);
  }
  return { ids, weights };
}

function bytesOf(values: Float32Array): EmbedResponse["vectors"] {
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}

const taskOf: Readonly<Record<ModelSpec["task"], Task>> = {
  embedding: Task.EMBEDDING,
  classification: Task.CLASSIFICATION,
  reranking: Task.RERANKING,
  sparse: Task.SPARSE_EMBEDDING,
  tensors: Task.UNSPECIFIED,
};

function describe(model: LoadedModel, repository: Repository) {
  const { name, version, revision, spec, dtype, limits, device, isHealthy } = model;
  const routes = repository.routesOf(model).filter((route) => route.version === version);
  const weight = routes.reduce((sum, route) => sum + route.weight, 0);
  const { batchTokensMax, batchSequencesMax, queueMax } = limits;
  return {
    ...{ name, version, revision, dtype, device, isHealthy, weight },
    ...{ batchTokensMax, batchSequencesMax, queueMax },
    task: taskOf[spec.task],
    isDefaultModel: repository.isDefault(model),
    versionLabels: routes.flatMap((route) => route.label ?? []),
    dimensions: spec.task === "embedding" ? spec.dimensions : 0,
    pooling: spec.task === "embedding" ? spec.pooling : "",
    tokensMax: spec.task === "tensors" ? 0 : spec.tokensMax,
    vocabularySize: spec.task === "tensors" ? 0 : spec.vocabularySize,
    labels: labelsOf(spec),
    promptNames: spec.task === "tensors" ? [] : Object.keys(spec.prompts),
  };
}

function labelsOf(spec: ModelSpec): string[] {
  if (spec.task === "embedding") return [...(spec.heads[0]?.labels ?? [])];
  return spec.task === "classification" || spec.task === "reranking" ? [...spec.labels] : [];
}

function validate(
  sequences: readonly TokenSequence[],
  spec: ModelSpec,
  callSequencesMax: number,
): void {
  if (spec.task === "tensors") return;
  if (sequences.length === 0) throw new MeshError("empty", "sequences is empty");
  if (sequences.length > callSequencesMax) {
    throw new MeshError("invalid", `${sequences.length} sequences, at most ${callSequencesMax}`);
  }
  for (const [index, sequence] of sequences.entries()) {
    validateSequence(sequence, `sequences[${index}]`, spec);
  }
}

function validateSequence(
  { ids, typeIds }: TokenSequence,
  what: string,
  { tokensMax, vocabularySize }: { readonly tokensMax: number; readonly vocabularySize: number },
): void {
  if (ids.length === 0) throw new MeshError("empty", `${what} is empty`);
  if (ids.length > tokensMax) {
    throw new MeshError("invalid", `${what}: ${ids.length} tokens, at most ${tokensMax}`);
  }
  const stray = ids.find((id) => id >= vocabularySize);
  if (stray !== undefined) {
    throw new MeshError("invalid", `${what}: id ${stray} is outside the vocabulary`);
  }
  const isTyped = typeIds.length === 0 || typeIds.length === ids.length;
  if (!isTyped || typeIds.some((id) => id > 1)) {
    throw new MeshError("invalid", `${what}: type_ids must be 0 or 1, one for each id`);
  }
}
