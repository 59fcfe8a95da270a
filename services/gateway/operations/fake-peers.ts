import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  InferenceService,
  type Job,
  type ModelSchema,
  Priority,
  Task,
} from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import {
  type Caller,
  RatelimitService,
  Unit,
} from "../../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import {
  type EncodeRequest,
  TokenizerService,
} from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { systemClock } from "../../../lib/clock.js";
import { MeshError } from "../../../lib/errors.js";
import { createLog } from "../../../lib/log.js";
import { type Binding, bind, type Channel } from "../../../lib/rpc/call.js";
import type { CallSignal } from "../../../lib/rpc/call-signal.js";
import { createLocalChannel } from "../../../lib/rpc/local-channel.js";
import { idleTokenizer } from "../../../test/support/idle-tokenizer.js";
import { Admission } from "../admission.js";
import { Limiter } from "../limiter.js";
import { createModelDirectory, type ModelDirectory } from "../model-directory.js";
import { VectorCache } from "../vector-cache.js";
import { createOperations, type Operations } from "./operations.js";
import { unsaid } from "./order.js";
import type { WorkCounts } from "./work-counts.js";

export type Served = MessageInitShape<typeof ModelSchema>;

export const served: Served = {
  ...{ name: "m", version: "1", revision: "r1", weight: 1 },
  ...{ task: Task.EMBEDDING, dimensions: 3, tokensMax: 8, isDefaultModel: true },
};

export const inputsInWorkMax = 8;

/** The other services as the gateway sees them: they write down what is asked, and answer as told. */
export class FakePeers {
  readonly asked: string[] = [];
  readonly jobs: Job[] = [];
  /** Of the computations. */
  readonly signals: CallSignal[] = [];
  readonly encodes: EncodeRequest[] = [];
  served: readonly Served[] = [served];
  /** Of the decisions. */
  readonly callers: Caller[] = [];
  readonly leases: { readonly id: string; readonly ms: number }[] = [];
  refuse: "requests" | "tokens" | undefined;
  /** Whether a request takes a slot. */
  isLeasing = false;
  isDegraded = false;
  /** Decisions wait for it. */
  undecided: Promise<void> | undefined;
  /** Why a computation fails, if it does. */
  fail: (job: Job) => MeshError | undefined = () => undefined;
  /** Computations wait for it. */
  held: Promise<void> | undefined;

  readonly ratelimit: Binding = bind(RatelimitService, {
    check: () => ({}),
    take: ({ caller, leaseId, leaseMs }) => {
      this.leases.push({ id: leaseId, ms: leaseMs });
      return this.#decide({ unit: Unit.REQUESTS, caller }, "take");
    },
    reserve: ({ caller, amount }) =>
      this.#decide({ unit: Unit.TOKENS, caller }, `reserve ${amount}`),
    decide: () => this.#note("decide"),
    commit: ({ reservationIds, partial }) => {
      for (const _ of reservationIds) this.#note("commit");
      for (const { amount } of partial) this.#note(`commit ${amount}`);
      return {};
    },
    release: ({ reservationIds }) => {
      for (const id of reservationIds) {
        const isLease = this.leases.some((lease) => lease.id === id);
        this.#note(isLease ? "release the slot" : "release");
      }
      return {};
    },
  });

  /** A token for each letter. */
  readonly tokenizer: Binding = bind(TokenizerService, {
    ...idleTokenizer,
    encode: (request) => {
      const { model, version } = request;
      const texts = textsOf(request);
      this.#note(`encode ${texts.length} of ${model}@${version}`);
      this.encodes.push(request);
      return { encodings: texts.map((text) => ({ ids: [...text].map((c) => c.charCodeAt(0)) })) };
    },
  });

  /** Vectors are 3, 4 and the number of tokens, and negative unless they are normalized. */
  readonly inference: Binding = bind(InferenceService, {
    embed: async ({ job, sequences, normalize }, { signal }) => {
      const { model, version } = job as Job;
      this.#note(`embed ${sequences.length} of ${model}@${version}`);
      this.jobs.push(job as Job);
      this.signals.push(signal);
      await this.held;
      const found = this.served.find((one) => one.name === model && one.version === version);
      const failure = this.fail(job as Job);
      if (failure !== undefined) throw failure;
      if (found === undefined) throw new MeshError("not_found", `no ${model}@${version}`);
      const sign = normalize === false ? -1 : 1;
      const vectors = Float32Array.from(
        sequences.flatMap(({ ids }) => [3 * sign, 4 * sign, ids.length]),
      );
      const ran = { model, version, revision: found.revision ?? "" };
      return { ran, dimensions: 3, vectors: new Uint8Array(vectors.buffer) };
    },
    listModels: () => {
      this.#note("list");
      return { models: [...this.served] };
    },
    // Nothing here gathers calls.
    async *embedEach() {},
    // Token vectors are the ids; sparse vectors have the first id; label by label, scores are the number of tokens and up.
    embedTokens: ({ job, sequences }) => {
      this.#note(`embedTokens ${sequences.length} of ${job?.model}@${job?.version}`);
      const vectors = sequences.map(({ ids }) => new Uint8Array(Float32Array.from(ids).buffer));
      return { dimensions: 1, vectors };
    },
    embedSparse: ({ job, sequences }) => {
      this.#note(`embedSparse ${sequences.length} of ${job?.model}@${job?.version}`);
      return { vectors: sequences.map(({ ids }) => ({ ids: ids.slice(0, 1), weights: [1] })) };
    },
    classify: ({ job, sequences }) => {
      this.#note(`classify ${sequences.length} of ${job?.model}@${job?.version}`);
      const labels = this.served.find(({ name }) => name === job?.model)?.labels ?? [];
      const scores = sequences.flatMap(({ ids }) => labels.map((_, at) => ids.length + at));
      return { labels, scores };
    },
  });

  #note(what: string): object {
    this.asked.push(what);
    return {};
  }

  async #decide(
    { unit, caller }: { readonly unit: Unit; readonly caller: Caller | undefined },
    what: string,
  ) {
    this.#note(what);
    if (caller !== undefined) this.callers.push(caller);
    await this.undecided;
    const leased = this.isLeasing && unit === Unit.REQUESTS;
    const refused = this.refuse === "requests" ? Unit.REQUESTS : Unit.TOKENS;
    if (this.refuse === undefined || refused !== unit) {
      return { allowed: true, degraded: this.isDegraded, ...(leased && { leased }) };
    }
    const rule = { name: "rule", unit, quota: 5n, retryAfterMs: 1_500n, windowMs: 60_000n };
    return { allowed: false, degraded: this.isDegraded, limits: [rule] };
  }
}

/** The gateway's own path over such peers. */
export function createFakePath({ areCachedTokensCharged = false } = {}): {
  readonly peers: FakePeers;
  readonly limiter: Limiter;
  readonly admission: Admission;
  readonly directory: ModelDirectory;
  readonly tokenizer: Channel;
  /** Inputs of each request that was shed. */
  readonly shed: readonly number[];
  /** What metrics would have heard. */
  readonly counted: string[];
  readonly operations: Operations;
} {
  const peers = new FakePeers();
  const clock = systemClock;
  const counted: string[] = [];
  const limiter = new Limiter(
    channelTo(peers.ratelimit),
    { reservationMs: 1_000, areCachedTokensCharged },
    {
      clock,
      log: createLog("silent"),
      counts: { degraded: () => void counted.push("degraded") },
    },
  );
  const shed: number[] = [];
  const admission = new Admission(inputsInWorkMax, (inputs) => shed.push(inputs));
  const ignore = () => {};
  const cache = new VectorCache(100_000, { hit: ignore, missed: ignore, coalesced: ignore });
  const inference = channelTo(peers.inference);
  const directory = createModelDirectory(inference, { clock, random: Math.random });
  const tokenizer = channelTo(peers.tokenizer);
  const counts: WorkCounts = {
    answered({ kind, usage, isComputed }) {
      counted.push(
        `${kind} of ${usage.model}: ${usage.tokenCounts}${isComputed ? "" : ", remembered"}`,
      );
    },
    failed({ kind, model, inputs, inputsMax, error }) {
      counted.push(`${kind} of ${model}: ${inputs} of ${inputsMax} failed, ${error.fault}`);
    },
  };
  const deps = { tokenizer, inference, directory, limiter, admission, cache, clock, counts };
  return {
    peers,
    limiter,
    ...{ admission, directory, tokenizer },
    ...{ shed, counted },
    operations: createOperations({ ...deps, computeMsMax: 5_000 }),
  };
}

/** What a caller asks for who says as little as possible. */
export const order = {
  ...unsaid,
  ...{ inputs: ["abc", "de"], inputsMax: 4, normalize: true, dimensions: undefined },
  priority: Priority.BULK,
} as const;

/** What the letters are counted of; the parts of a pair go together. */
function textsOf({ texts, inputs }: EncodeRequest): string[] {
  if (inputs.length === 0) return texts;
  return inputs.map(({ kind }) => {
    if (kind.case === "pair") return kind.value.first + kind.value.second;
    return kind.case === "ids" ? String.fromCharCode(...kind.value.ids) : (kind.value ?? "");
  });
}

function channelTo(binding: Binding): Channel {
  return createLocalChannel({ role: "test", bindings: [binding], interceptors: [] });
}
