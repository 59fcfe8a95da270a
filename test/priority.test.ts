// Who goes first when requests wait, in one process and as four. What is tested is an order, not a time.

import { equal, ok } from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  GatewayService,
  Priority,
  VectorEncoding,
} from "../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { grpcClientOf, post } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";

const kinds: readonly MeshKind[] = ["one", "four"];
/** Texts of a request that others pass, or do not. */
const many = 40;
/** So many of them still wait when the other request comes. */
const waitingMin = 20;
/** One worker takes one sequence after the other, however long that takes. */
const oneByOne = {
  REQUEST_TIMEOUT_MS: "120000",
  INFERENCE_QUEUE_TIMEOUT_MS: "120000",
  INFERENCE_WORKERS: "1",
  INFERENCE_BATCH_SEQUENCES_MAX: "1",
  STREAM_WINDOW: `${many}`,
};

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 300_000 }, () => {
    test("interactive work passes bulk work, but not its equals", async () => {
      await withMesh(kind, { INFERENCE_BULK_WAIT_MS: "600000" }, async (mesh) => {
        const gateway = grpcClientOf(GatewayService, mesh.url);
        const inBulk: Record<string, () => Promise<unknown>> = {
          "by a field": () => gateway.embed({ inputs: texts(), priority: Priority.BULK }),
          "by a header": () =>
            post(`${mesh.url}/v1/embeddings`, { input: texts() }, { priority: "u=5" }),
          "by streaming": () => drain(gateway.embedStream(each(texts()))),
        };
        const interactive: Record<string, () => Promise<unknown>> = {
          "by a field": () => gateway.embed({ inputs: texts(1) }),
          "by a header": () => post(`${mesh.url}/embed`, { inputs: texts(1) }),
          "by streaming": () =>
            drain(gateway.embedStream(each(texts(1), { priority: Priority.INTERACTIVE }))),
        };
        for (const [way, begin] of Object.entries(inBulk)) {
          const order = await orderOf(mesh, begin, interactive[way] ?? begin);
          equal(order, "late, early", way);
        }
        const embed = (count?: number) => gateway.embed({ inputs: texts(count) });
        // Enough texts that sending the larger answer takes no longer than computing them.
        equal(await orderOf(mesh, embed, () => embed(many / 2)), "early, late");
      });
    });

    test("bulk work that has waited long enough passes interactive work", async () => {
      await withMesh(kind, { INFERENCE_BULK_WAIT_MS: "0" }, async (mesh) => {
        const gateway = grpcClientOf(GatewayService, mesh.url);
        const order = await orderOf(
          mesh,
          () => gateway.embed({ inputs: texts() }),
          () => gateway.embed({ inputs: texts(1), priority: Priority.BULK }),
        );
        equal(order, "late, early");
      });
    });
  });
}

/** Begins one request, and the other when most of the first one waits; returns who was answered first. */
async function orderOf(
  mesh: Mesh,
  begin: () => Promise<unknown>,
  beginLater: () => Promise<unknown>,
): Promise<string> {
  const order: string[] = [];
  const early = begin().then(() => order.push("early"));
  await untilWaiting(mesh);
  const late = beginLater().then(() => order.push("late"));
  await Promise.all([early, late]);
  return order.join(", ");
}

async function withMesh(
  kind: MeshKind,
  env: NodeJS.ProcessEnv,
  use: (mesh: Mesh) => Promise<void>,
): Promise<void> {
  const mesh = await startMesh(kind, { ...oneByOne, ...env });
  try {
    await use(mesh);
  } finally {
    await mesh.stop();
  }
}

let written = 0;

/** Texts that nobody has asked for before, long enough that a model takes a while. */
function texts(count = many): string[] {
  return Array.from({ length: count }, () => {
    written += 1;
    return `${"long ".repeat(150)}${written}`;
  });
}

async function* each(inputs: readonly string[], more: { priority?: Priority } = {}) {
  for (const input of inputs) yield { input, encoding: VectorEncoding.FLOAT32_LE, ...more };
}

async function drain(responses: AsyncIterable<{ result: { case?: string | undefined } }>) {
  for await (const { result } of responses) equal(result.case, "embedding");
}

async function untilWaiting(mesh: Mesh): Promise<void> {
  const url = mesh.roles.inference?.url ?? mesh.url;
  const deadline = Date.now() + 30_000;
  for (;;) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const [, length] = /^arrowmesh_inference_queue_length\{.*\} (\d+)$/m.exec(text) ?? [];
    if (Number(length) >= waitingMin) return;
    ok(Date.now() < deadline, "nothing waits");
    await sleep(5);
  }
}
