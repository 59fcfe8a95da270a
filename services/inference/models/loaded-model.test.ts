import { deepEqual, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { pino } from "pino";
import { Registry } from "prom-client";
import { MeshError } from "../../../lib/errors.js";
import { readModelSpec } from "../../../lib/model-folder/spec.js";
import { packageRoot } from "../../../lib/package-root.js";
import {
  inferenceConfig,
  loadDeps,
  openModel,
  rowOf,
  valuesOf,
  workOptions,
} from "../../../test/support/inference.js";
import { onnxBytes } from "../../../test/support/onnx-builder.js";
import { ids, program } from "../../../test/support/test-pool.js";
import { classifier, embedding, head, tokenVector } from "../../../test/support/tiny-graphs.js";
import * as tiny from "../../../test/support/tiny-models.js";
import type { WorkerSetup } from "../workers/worker-messages.js";
import { LoadedModel } from "./loaded-model.js";

const { temporaryFolder, write, writeEmbedding } = tiny;

const width = /has width \d+, the model's folder says \d+/;
for (const [what, writeModel, env, message] of [
  ["no ONNX", tiny.writeBroken, {}, /protobuf|model/i],
  ["no weights of that type", writeEmbedding, { DTYPE: "int8" }, /no int8 weights.*float32/],
  [
    "vectors of another length",
    (folder: string) => {
      writeEmbedding(folder);
      write(folder, {
        "config.json": { architectures: ["BertModel"], hidden_size: 5, vocab_size: 30_522 },
        "1_Pooling/config.json": { word_embedding_dimension: 5, pooling_mode_mean_tokens: true },
      });
    },
    {},
    width,
  ],
  [
    "another number of labels",
    (folder: string) => {
      tiny.writeClassifier(folder);
      write(folder, {
        "config.json": {
          architectures: ["BertForSequenceClassification"],
          vocab_size: 30_522,
          num_labels: 4,
          max_position_embeddings: 512,
        },
      });
    },
    {},
    width,
  ],
  [
    "another vocabulary",
    (folder: string) => {
      tiny.writeSplade(folder);
      write(folder, { "config.json": { architectures: ["BertForMaskedLM"], vocab_size: 22 } });
    },
    {},
    width,
  ],
  [
    "a head of another number of labels",
    (folder: string) => {
      writeEmbedding(folder, { heads: ["mood"] });
      write(folder, { "heads/mood/config.json": { id2label: { 0: "a", 1: "b", 2: "c" } } });
    },
    {},
    width,
  ],
  [
    "a head over longer vectors",
    (folder: string) => {
      writeEmbedding(folder, { heads: ["mood"] });
      write(folder, { "heads/mood/head.onnx": onnxBytes(head(5, new Array(10).fill(1))) });
    },
    {},
    /invalid dimensions|Expected: 5/i,
  ],
  [
    "scores where vectors should be",
    (folder: string) => {
      writeEmbedding(folder);
      write(folder, { "onnx/model.onnx": onnxBytes(classifier) });
    },
    {},
    /no output of token vectors/,
  ],
  [
    "an input that nobody fills",
    (folder: string) => {
      writeEmbedding(folder);
      const graph = embedding(0);
      const extra = { name: "pixels", type: "float32", shape: ["batch", 3] } as const;
      write(folder, {
        "onnx/model.onnx": onnxBytes({
          ...graph,
          inputs: [...graph.inputs, extra],
          outputs: [...graph.outputs, { ...extra, name: "copy" }],
          nodes: [...graph.nodes, { op: "Identity", inputs: ["pixels"], outputs: ["copy"] }],
        }),
      });
    },
    {},
    /pixels/,
  ],
] as const) {
  test(`a model with ${what} does not load, and leaves no thread`, async (t) => {
    const folder = temporaryFolder(t);
    writeModel(folder);
    const threads: Worker[] = [];
    const deps = {
      ...loadDeps(),
      createWorker: (workerData: WorkerSetup) => {
        const thread = new Worker(new URL("../workers/onnx-worker.js", import.meta.url), {
          workerData,
        });
        threads.push(thread);
        return thread;
      },
    };
    await rejects(openModel(t, folder, { INFERENCE_WORKERS: "2", ...env }, deps), message);
    deepEqual(
      [...new Set(threads.map(({ threadId }) => threadId))],
      threads.length > 0 ? [-1] : [],
    );
  });
}

test("without the first provider, the next one runs the model, and everybody hears of it", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder);
  const registry = new Registry();
  const lines: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line) => lines.push(JSON.parse(line)) });
  const env = { INFERENCE_PROVIDERS: "cuda,cpu", INFERENCE_WORKERS: "1" };
  const model = await openModel(t, folder, env, { ...loadDeps(registry), log });
  deepEqual([model.device, model.limits.batchSequencesMax], ["cpu", 16]);
  const [warning] = lines;
  deepEqual([lines.length, warning?.level, warning?.device], [1, 40, "cpu"]);
  match(String(warning?.reason), /^cuda: /);
  const name = "arrowmesh_inference_provider_fallbacks_total";
  const counted = await registry.getSingleMetric(name)?.get();
  deepEqual(counted?.values, [{ labels: { model: "tiny" }, value: 1 }]);
  const [vector] = await valuesOf(model, [rowOf([7])]);
  deepEqual(vector, Float32Array.from(tokenVector(7)));
});

test("without any provider that works, the model does not load", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder);
  await rejects(openModel(t, folder, { INFERENCE_PROVIDERS: "cuda" }), /cuda/);
});

test("closing finishes what was accepted, and refuses what comes later", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { pooling: "cls" });
  const model = await openModel(t, folder);
  const accepted = valuesOf(
    model,
    Array.from({ length: 1_000 }, (_, id) => rowOf([id])),
  );
  const closed = model.close(60_000);
  const vectors = await accepted;
  deepEqual(vectors[999], Float32Array.from(tokenVector(999)));
  await closed;
  await rejects(valuesOf(model, [rowOf([1])]), { fault: "unavailable" });
});

test("closing ends calls that take too long, then the thread when it is done", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder);
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const version = { name: "tiny", version: "1", revision: "", spec: readModelSpec(folder) };
  const model = await LoadedModel.open(version, inferenceConfig(), {
    ...loadDeps(),
    createWorker: (setup) => new Worker(program, { eval: true, workerData: { ...setup, gate } }),
  });
  const calls = [ids.waits, 1, 1].map((id) => model.run([rowOf([id])], workOptions(), () => {}));
  const refused = calls.map((call) => rejects(call, { fault: "unavailable" }));
  const begin = performance.now();
  const closed = model.close(100);
  await Promise.all(refused);
  const took = performance.now() - begin;
  ok(took >= 90 && took < 5_000, `${took} ms`);
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  await closed;
});

test("closing waits for the batch of a caller who left", async (t) => {
  // Ending its thread while ONNX Runtime works would end this process.
  const model = await openModel(t, join(packageRoot, "models/all-MiniLM-L6-v2"));
  const controller = new AbortController();
  const rows = new Array(8).fill(rowOf(new Array(128).fill(7_592)));
  const { signal } = controller;
  const left = rejects(
    model.run(rows, workOptions({ signal }), () => {}),
    /left/,
  );
  await sleep(20);
  controller.abort(new MeshError("cancelled", "the caller left"));
  await left;
  await model.close(60_000);
});
