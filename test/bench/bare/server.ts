// The least that an embedding server on Node can be: node:http, one session a core, whatever waits up to 8 texts, and nothing
// beside it: no checks, limits, cache, metrics, traces, cancellation. What the mesh does for its callers is its distance to
// this. Takes a model's folder, says its port on standard output.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

interface Waiting {
  readonly ids: readonly number[];
  readonly response: ServerResponse;
}

interface Answer {
  readonly vectors: Float32Array;
  readonly dimensions: number;
}

const batchTextsMax = 8;
const [folder = ""] = process.argv.slice(2);
const { model } = JSON.parse(readFileSync(join(folder, "tokenizer.json"), "utf8"));
const vocabulary = new Map<string, number>(Object.entries(model.vocab));
const waiting: Waiting[] = [];
const idle = await Promise.all(Array.from({ length: availableParallelism() }, openWorker));

const server = createServer(accept).listen(0, "127.0.0.1");
await once(server, "listening");
process.stdout.write(`${(server.address() as AddressInfo).port}\n`);

async function openWorker(): Promise<Worker> {
  const workerData = join(folder, "onnx/model_int8.onnx");
  const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData });
  await once(worker, "message");
  return worker;
}

function accept(request: IncomingMessage, response: ServerResponse): void {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk: string) => {
    body += chunk;
  });
  request.on("end", () => {
    const [text] = (JSON.parse(body) as { inputs: string[] }).inputs;
    waiting.push({ ids: idsOf(text ?? ""), response });
    setImmediate(startBatches);
  });
}

/** The texts of the bench are made of words that are tokens. */
function idsOf(text: string): number[] {
  return ["[CLS]", ...text.split(" "), "[SEP]"].map((token) => vocabulary.get(token) ?? 0);
}

function startBatches(): void {
  while (idle.length > 0 && waiting.length > 0) void runBatch(idle.shift() as Worker);
}

async function runBatch(worker: Worker): Promise<void> {
  const batch = waiting.splice(0, batchTextsMax);
  worker.postMessage(batch.map(({ ids }) => ids));
  const [{ vectors, dimensions }] = (await once(worker, "message")) as [Answer];
  for (const [row, { response }] of batch.entries()) {
    const vector = vectors.subarray(row * dimensions, (row + 1) * dimensions);
    const body = JSON.stringify([Array.from(vector)]);
    const head = { "content-type": "application/json", "content-length": body.length };
    response.writeHead(200, head).end(body);
  }
  idle.push(worker);
  startBatches();
}
