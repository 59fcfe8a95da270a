// The access log: one line a request in every protocol, and every field that docs/logs.md tells of.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createClient, type Transport } from "@connectrpc/connect";
import { Embed } from "../gen/tei/v1/tei_pb.js";
import { packageRoot } from "../lib/package-root.js";
import { gatewayOf, post, transportsOf } from "./support/clients.js";
import { type LogLine, linesAbout, processesOf } from "./support/log-lines.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { collect, each } from "./support/messages.js";
import { type Collector, startCollector } from "./support/otlp-collector.js";
import { writeLookup } from "./support/tiny-models.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const apiKey = "sesame-open-for-the-log";
const model = "sentence-transformers/all-MiniLM-L6-v2";
const seen = new Set<string>();

/** The id of a new request, and the headers that it is sent with. */
function newRequest(more: Readonly<Record<string, string>> = {}) {
  const id = `log-${randomUUID()}`;
  return { id, headers: { authorization: `Bearer ${apiKey}`, "x-request-id": id, ...more } };
}

for (const kind of kinds) {
  describe(`the log of the mesh as ${kind}`, { timeout: 240_000 }, () => {
    const repository = mkdtempSync(join(tmpdir(), "arrowmesh-logs-"));
    let collector: Collector;
    let mesh: Mesh;
    before(async () => {
      collector = await startCollector();
      writeLookup(join(repository, "lookup/1"));
      mesh = await startMesh(kind, {
        ...collector.env,
        ...{ LOG_LEVEL: "info", API_KEY: apiKey, API_KEY_TIER: "gold" },
        // Nobody listens there.
        ...{ REDIS_URL: "redis://127.0.0.1:9", RATELIMIT_EXEMPT_LOOPBACK: "false" },
        LOG_PERSONAL_DATA: String(kind === "one"),
        MODEL_REPOSITORY: repository,
      });
    });
    after(async () => {
      await mesh.stop();
      collector.close();
      rmSync(repository, { recursive: true });
    });

    /** The one line of the gateway about a request. */
    const lineOf = async (id: string): Promise<LogLine> => {
      const [line, ...more] = await linesAbout(id, [mesh.gateway]);
      deepEqual(more, []);
      ok(line);
      for (const name of Object.keys(line)) seen.add(name);
      return line;
    };
    const hasWorked = (line: LogLine): void => {
      const { role, status, inputs, key_id, tier, version } = line;
      deepEqual([role, status, inputs, tier, line.model], ["gateway", "ok", 1, "gold", model]);
      match(String(key_id), /^[0-9a-f]{16}$/);
      match(String(line.trace_id), /^[0-9a-f]{32}$/);
      equal(line.traced, true);
      equal(line.degraded, true);
      equal(typeof version, "string");
      ok(Number(line.tokens) >= 3);
      for (const name of ["tokenization_ms", "queue_ms", "compute_ms", "duration_ms"]) {
        ok(Number(line[name]) >= 0, name);
      }
    };

    for (const [path, body] of [
      ["/embed", { inputs: "one line" }],
      ["/v1/embeddings", { input: "one line of OpenAI's", model, user: "alice" }],
      ["/vertex", { instances: [{ inputs: "one line of Vertex" }] }],
    ] as const) {
      test(`POST ${path} is one line`, async () => {
        const { id, headers } = newRequest({ "x-arrowmesh-user": "alice" });
        equal((await post(`${mesh.url}${path}`, body, headers)).status, 200);
        const line = await lineOf(id);
        hasWorked(line);
        deepEqual([line.protocol, line.route, line.http_status], ["http", `POST ${path}`, 200]);
        equal(line.user, kind === "one" ? "alice" : undefined);
        equal(line.client_ip, kind === "one" ? "127.0.0.1" : undefined);
      });
    }

    for (const name of Object.keys(transportsOf("http://127.0.0.1"))) {
      const transportOf = (): Transport => transportsOf(mesh.url)[name] as Transport;
      test(`a call over ${name} is one line`, async () => {
        const { id, headers } = newRequest();
        await gatewayOf(transportOf()).embed({ inputs: [`one line ${name}`] }, { headers });
        const line = await lineOf(id);
        hasWorked(line);
        equal(line.route, "arrowmesh.gateway.v1.GatewayService/Embed");
        ok(name.toLowerCase().startsWith(String(line.protocol)));
        equal(line.rpc_code, "OK");
      });
      test(`tei.v1 over ${name} is one line`, async () => {
        const { id, headers } = newRequest();
        await createClient(Embed, transportOf()).embed({ inputs: `tei ${name}` }, { headers });
        const line = await lineOf(id);
        hasWorked(line);
        equal(line.route, "tei.v1.Embed/Embed");
      });
    }

    test("tensors of the Open Inference Protocol are one line, with their tokens", async () => {
      const { id, headers } = newRequest();
      const tensors = tensorsOf([101, 7592, 102]);
      equal(
        (await post(`${mesh.url}/v2/models/all-MiniLM-L6-v2/infer`, tensors, headers)).status,
        200,
      );
      const line = await lineOf(id);
      deepEqual([line.status, line.model, line.tokens], ["ok", model, 3]);
      equal(line.inputs, undefined);
    });

    test("what was remembered is told", async () => {
      const body = { inputs: ["remember me", "and me"] };
      const first = newRequest();
      await post(`${mesh.url}/embed`, body, first.headers);
      equal((await lineOf(first.id)).cached, 0);
      const again = newRequest();
      await post(`${mesh.url}/embed`, { inputs: [...body.inputs, "not me"] }, again.headers);
      const line = await lineOf(again.id);
      deepEqual([line.inputs, line.cached], [3, 2]);
    });

    test("a stream is one line, with sums and the number of what failed", async () => {
      const { id, headers } = newRequest();
      const requests = ["to be summed", "to be summed as well", "", "at last"];
      const { gRPC } = transportsOf(mesh.url);
      const messages = each(requests.map((input) => ({ input })));
      const stream = gatewayOf(gRPC as Transport).embedStream(messages, { headers });
      const answers = await collect(stream);
      const tokens = answers.map(({ result }) =>
        result.case === "embedding" ? result.value.inputTokens : 0,
      );
      const line = await lineOf(id);
      deepEqual([line.status, line.inputs, line.failed_messages], ["ok", 3, 1]);
      equal(
        line.tokens,
        tokens.reduce((sum, count) => sum + count, 0),
      );
      equal(line.level, "info");
    });

    test("who shows no key is nobody", async () => {
      const { id, headers } = newRequest({ authorization: "Bearer of-bad-news" });
      equal((await post(`${mesh.url}/embed`, { inputs: "a" }, headers)).status, 401);
      const line = await lineOf(id);
      deepEqual(
        [line.status, line.http_status, line.key_id, line.model],
        ["unauthenticated", 401, undefined, undefined],
      );
    });

    test("a refusal has the status that was sent", async () => {
      const tei = newRequest();
      await post(`${mesh.url}/embed`, { inputs: 1 }, tei.headers);
      equal((await lineOf(tei.id)).http_status, 422);
      const openAi = newRequest();
      await post(`${mesh.url}/v1/embeddings`, { input: 1 }, openAi.headers);
      const line = await lineOf(openAi.id);
      deepEqual([line.level, line.http_status], ["info", 400]);
    });

    test("a bug is one line of all processes, with its cause and the trace", async () => {
      const traceId = randomUUID().replaceAll("-", "");
      const { id, headers } = newRequest({ traceparent: `00-${traceId}-b7ad6b7169203331-01` });
      const input = { name: "INPUT0", datatype: "INT64", shape: [1, 1], data: [99] };
      const url = `${mesh.url}/v2/models/lookup/infer`;
      const { json, status } = await post(url, { inputs: [input] }, headers);
      equal(status, 500);
      ok(!JSON.stringify(json).includes("indices"));
      equal((await lineOf(id)).status, "internal");
      const processes = processesOf(mesh);
      const inference = mesh.roles.inference ?? mesh.gateway;
      await linesAbout(id, [inference]);
      const lines = await linesAbout(id, processes);
      const [bug, ...more] = lines.filter(({ level }) => level === "error");
      deepEqual(more, []);
      match(String(bug?.cause), /indices|out of/);
      deepEqual([bug?.trace_id, bug?.request_id], [traceId, id]);
      deepEqual(
        lines.filter(({ cause }) => cause !== undefined),
        [bug],
      );
      for (const name of Object.keys(bug ?? {})) seen.add(name);
    });
  });
}

test("docs/logs.md tells of every field of a line, and of no other", () => {
  const text = readFileSync(join(packageRoot, "docs/logs.md"), "utf8");
  const section = text.slice(text.indexOf("## Fields"), text.indexOf("## Other lines"));
  const documented = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name ?? "");
  deepEqual(documented.toSorted(), [...seen].toSorted());
});

/** A text's ids as KServe's clients send them. */
function tensorsOf(ids: readonly number[]) {
  const tensor = { datatype: "INT64", shape: [1, ids.length] };
  return {
    inputs: [
      { name: "input_ids", ...tensor, data: ids },
      { name: "attention_mask", ...tensor, data: ids.map(() => 1) },
      { name: "token_type_ids", ...tensor, data: ids.map(() => 0) },
    ],
  };
}
