// The recorded answers of text-embeddings-inference over gRPC, against the mesh on the same weights.

import { deepEqual, equal, ok } from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  DecodeRequestSchema,
  DecodeResponseSchema,
  Embed,
  EmbedRequestSchema,
  EmbedResponseSchema,
  EmbedSparseRequestSchema,
  EmbedSparseResponseSchema,
  EncodeRequestSchema,
  EncodeResponseSchema,
  Info,
  InfoRequestSchema,
  type InfoResponse,
  InfoResponseSchema,
  Predict,
  PredictRequestSchema,
  PredictResponseSchema,
  Rerank,
  RerankRequestSchema,
  RerankResponseSchema,
  Tokenize,
} from "../gen/tei/v1/tei_pb.js";
import { packageRoot } from "../lib/package-root.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { readTextProto } from "./support/text-proto.js";

const shared = join(packageRoot, "../shared");
const casesFile = join(shared, "compat/tei-grpc-cases.jsonl");
const model = join(shared, "models/all-MiniLM-L6-v2");
const isThere = existsSync(casesFile) && existsSync(join(model, "onnx/model.onnx"));
const skip = isThere ? false : "../shared/compat or the fp32 model is not there";
/** What text-embeddings-inference's own tests allow. */
const tolerance = 4e-3;
const callMsMax = 20_000;

interface Case {
  readonly id: string;
  readonly request: string;
  readonly code: keyof typeof Code | string;
  readonly details?: string;
  readonly response?: string;
}

/** What is meant to be otherwise, all of it in docs/text-embeddings-inference.md. */
const differences: Readonly<Record<string, { readonly code: Code | undefined }>> = {
  // A model that makes vectors ranks by their cosine.
  "rerank on an embedder": { code: undefined },
};

/** Requests that the record shows in part. */
const longText = Array.from({ length: 300 }, () => "word").join(" ");
const wholeRequests: Readonly<Record<string, string>> = {
  "embed long, truncate unset (proto3 false)": `inputs: "${longText}"`,
  "embed long, truncate": `inputs: "${longText}"\ntruncate: true\ndimensions: 2`,
};

const kinds: readonly MeshKind[] = ["one", "four"];
const cases = skip === false ? readCases() : [];

for (const kind of kinds) {
  describe(`tei.v1 of the mesh as ${kind}`, { timeout: 120_000, skip }, () => {
    let mesh: Mesh;
    let call: ReturnType<typeof callsOf>;
    before(async () => {
      mesh = await startMesh(kind, { MODEL_PATH: model, DTYPE: "fp32" });
      call = callsOf(createGrpcTransport({ baseUrl: mesh.url }));
    });
    after(() => mesh?.stop());

    for (const recorded of cases) {
      test(`${recorded.id} is answered as recorded`, async () => {
        const { id, request } = recorded;
        const outcome = await call[methodOf(id)](wholeRequests[id] ?? request);
        const difference = differences[id];
        if (difference === undefined) requireRecorded(recorded, outcome);
        else equal(outcome.error?.code, difference.code, outcome.error?.message);
      });
    }

    test("info tells the bounds of this server's batches", async () => {
      const info = (await call.info("")).answer?.message as InfoResponse | undefined;
      deepEqual([info?.maxBatchTokens, info?.maxBatchRequests], [1_024, 16]);
    });
  });
}

test("the runner knows every recorded difference", { skip }, () => {
  const ids = cases.map(({ id }) => id);
  for (const id of [...Object.keys(differences), ...Object.keys(wholeRequests)]) {
    ok(ids.includes(id), id);
  }
});

function readCases(): Case[] {
  const lines = readFileSync(casesFile, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Case);
}

function requireRecorded({ id, code, details = "", response = "" }: Case, outcome: Outcome): void {
  const { answer, error } = outcome;
  equal(error?.code, codeOf(code), `${code}: ${error?.message}`);
  if (details !== "") equal(error?.rawMessage, details);
  if (answer !== undefined) compare(id, answer.message, answer.read(response));
}

/** OK is no error. */
function codeOf(name: string): Code | undefined {
  if (name === "OK") return undefined;
  const words = name.split("_").map((word) => word.charAt(0) + word.slice(1).toLowerCase());
  const code = Code[words.join("") as keyof typeof Code];
  ok(code !== undefined, name);
  return code;
}

interface Outcome {
  readonly error?: ConnectError;
  readonly answer?: { readonly message: unknown; readonly read: (text: string) => unknown };
}

type Send = (request: string) => Promise<Outcome>;

/** The calls that cases make, on messages in text form. */
function callsOf(transport: Transport) {
  const embed = createClient(Embed, transport);
  const predict = createClient(Predict, transport);
  const rerank = createClient(Rerank, transport);
  const tokenize = createClient(Tokenize, transport);
  const options = { timeoutMs: callMsMax };
  const unknown = { ...Tokenize.method.decode, name: "Nothing" };
  return {
    info: sender(InfoRequestSchema, InfoResponseSchema, (request) =>
      createClient(Info, transport).info(request, options),
    ),
    embed: sender(EmbedRequestSchema, EmbedResponseSchema, (request) =>
      embed.embed(request, options),
    ),
    embed_sparse: sender(EmbedSparseRequestSchema, EmbedSparseResponseSchema, (request) =>
      embed.embedSparse(request, options),
    ),
    predict: sender(PredictRequestSchema, PredictResponseSchema, (request) =>
      predict.predict(request, options),
    ),
    rerank: sender(RerankRequestSchema, RerankResponseSchema, (request) =>
      rerank.rerank(request, options),
    ),
    tokenize: sender(EncodeRequestSchema, EncodeResponseSchema, (request) =>
      tokenize.tokenize(request, options),
    ),
    decode: sender(DecodeRequestSchema, DecodeResponseSchema, (request) =>
      tokenize.decode(request, options),
    ),
    unknown: sender(DecodeRequestSchema, DecodeResponseSchema, async (request) => {
      const { message } = await transport.unary(unknown, undefined, callMsMax, undefined, request);
      return message;
    }),
  };
}

function sender<I extends DescMessage, O extends DescMessage>(
  input: I,
  output: O,
  call: (request: MessageShape<I>) => Promise<MessageShape<O>>,
): Send {
  return async (text) => {
    try {
      const message = await call(readTextProto(input, text));
      return { answer: { message, read: (expected) => readTextProto(output, expected) } };
    } catch (thrown) {
      return { error: ConnectError.from(thrown) };
    }
  };
}

function methodOf(id: string): keyof ReturnType<typeof callsOf> {
  const names = [
    "info",
    "embed_sparse",
    "embed",
    "predict",
    "rerank",
    "tokenize",
    "decode",
  ] as const;
  return names.find((name) => id.startsWith(name)) ?? "unknown";
}

/** Facts of the server and times are its own; everything else is equal, numbers nearly. */
const ownFields = new Set([
  ...["version", "sha", "maxBatchTokens", "maxBatchRequests"],
  ...["totalTimeNs", "tokenizationTimeNs", "queueTimeNs", "inferenceTimeNs"],
]);

function compare(path: string, actual: unknown, expected: unknown): void {
  if (typeof expected === "number") {
    ok(
      typeof actual === "number" && Math.abs(actual - expected) <= tolerance,
      `${path}: ${actual}`,
    );
  } else if (typeof expected === "object" && expected !== null) {
    ok(typeof actual === "object" && actual !== null, path);
    const keys = (value: object): string[] =>
      Object.keys(value).filter((key) => !ownFields.has(key));
    deepEqual(keys(actual).sort(), keys(expected).sort(), path);
    for (const key of keys(expected)) {
      const at = key as keyof typeof actual & keyof typeof expected;
      compare(`${path}.${key}`, actual[at], expected[at]);
    }
  } else {
    equal(actual, expected, path);
  }
}
