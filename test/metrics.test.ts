// Metrics of every role, in one process and as four: all that the documentation says, and nothing that callers write.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { GatewayService } from "../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { packageRoot } from "../lib/package-root.js";
import { RedisServer, redisMissing } from "../services/ratelimit/stores/redis-server.js";
import { grpcClientOf, post } from "./support/clients.js";
import { type Mesh, startMesh, startRole } from "./support/mesh-process.js";
import { type Scrape, type ScrapedFamily, scrape } from "./support/metrics-text.js";
import { missing, run } from "./support/programs.js";

const model = "sentence-transformers/all-MiniLM-L6-v2";
const documented = readDocument();

for (const kind of ["one", "four"] as const) {
  describe(`metrics of the mesh as ${kind}`, { timeout: 120_000 }, () => {
    let mesh: Mesh;
    before(async () => {
      mesh = await startMesh(kind);
      await sendOfEverything(mesh);
    });
    after(() => mesh.stop());

    /** What all processes say, by their role. */
    const scrapeAll = async (): Promise<ReadonlyMap<string, Scrape>> => {
      const roles = Object.entries({ gateway: mesh.gateway, ...mesh.roles });
      const name = (role: string) => (kind === "one" ? "mesh" : role);
      return new Map(
        await Promise.all(
          roles.map(async ([role, { url }]) => [name(role), await scrape(url)] as const),
        ),
      );
    };

    test("each process has what the documentation says", async () => {
      for (const [role, { families }] of await scrapeAll()) {
        const expected = [...documented.values()].filter(({ where }) => isIn(where, role));
        for (const { name, type } of expected) {
          equal(families.get(name)?.type, type, `${name} in ${role}`);
        }
      }
    });

    test("no process has what the documentation does not say", async () => {
      for (const [role, { families }] of await scrapeAll()) {
        for (const [name, family] of families) {
          if (!/^(process|nodejs|ratelimit_service)_/.test(name))
            requireDocumented(name, family, role);
        }
      }
    });

    test("each process tells of its own memory, CPU and event loop, and what it is", async () => {
      for (const [role, { families, text, value }] of await scrapeAll()) {
        for (const name of [
          "process_resident_memory_bytes",
          "process_cpu_seconds_total",
          "nodejs_eventloop_lag_seconds",
          "nodejs_eventloop_lag_p99_seconds",
          "nodejs_heap_size_used_bytes",
        ]) {
          equal(families.get(name)?.series.length, 1, `${name} in ${role}`);
        }
        match(text, new RegExp(`^arrowmesh_build_info{version="[\\d.]+",role="${role}"} 1$`, "m"));
        ok((value("arrowmesh_active_connections") ?? 0) >= 1);
      }
    });

    test("counts move with requests, by exactly as much", async () => {
      const read = async () => {
        const scrapes = [...(await scrapeAll()).values()];
        return (series: string) =>
          scrapes.reduce((sum, { value }) => sum + (value(series) ?? 0), 0);
      };
      const first = await read();
      const texts = [`once ${kind}`, `and again ${kind}`, `once ${kind}`];
      await post(`${mesh.url}/embed`, { inputs: texts });
      await post(`${mesh.url}/predict`, { inputs: "What a fine day." });
      await post(`${mesh.url}/embed`, { inputs: "" });
      const client = grpcClientOf(GatewayService, mesh.url);
      await client.embed({ inputs: [`by gRPC ${kind}`] });
      const second = await read();
      const label = `{model="${model}"}`;
      for (const [series, difference] of [
        [`arrowmesh_gateway_request_seconds_count${label}`, 3],
        [`arrowmesh_gateway_tokenization_seconds_count${label}`, 3],
        [`arrowmesh_gateway_compute_seconds_count${label}`, 3],
        [`arrowmesh_gateway_queue_seconds_count${label}`, 3],
        ["arrowmesh_gateway_cache_misses_total", 3],
        // The same text twice in one request.
        ["arrowmesh_gateway_cache_coalesced_total", 1],
        [`arrowmesh_inference_queue_seconds_count${label}`, 4],
        [`predictions_total{model="${model}",status="success"}`, 3],
        [`predictions_total{model="${model}",status="error"}`, 1],
        [`prediction_latency_seconds_count${label}`, 3],
        ['arrowengine_request_total{method="POST",endpoint="/embed",status="200"}', 1],
        ['arrowengine_request_total{method="POST",endpoint="/embed",status="400"}', 1],
        [
          'arrowengine_request_total{method="POST",endpoint="/arrowmesh.gateway.v1.GatewayService/Embed",status="200"}',
          1,
        ],
        ['arrowengine_inference_latency_seconds_count{endpoint="/embed"}', 1],
        ['te_request_count{method="single"}', 3],
        ['te_request_count{method="batch"}', 1],
        ['te_request_failure{err="validation"}', 1],
        ["te_embed_count", 5],
        ["te_embed_success", 4],
        ["te_embed_inference_duration_count", 4],
        ["te_predict_success", 1],
        ["te_request_duration_count", 3],
        ["te_request_input_length_count", 5],
        ["te_batch_next_size_sum", 4],
      ] as const) {
        equal(second(series) - first(series), difference, series);
      }
      ok(
        second(`arrowmesh_gateway_tokens_total${label}`) >
          first(`arrowmesh_gateway_tokens_total${label}`),
      );
      equal(second("arrowengine_model_loaded"), 1);
      equal(second(`arrowmesh_inference_model_loaded{model="${model}",version="1"}`), 1);
      equal(second("queue_length"), 0);
    });

    test("whatever callers write, it adds no series", async () => {
      const hostile = 'x"}y';
      const attack = async (round: number): Promise<void> => {
        const name = `evil${round}${hostile}`;
        const path = encodeURIComponent(name);
        await Promise.all([
          post(`${mesh.url}/${path}`, {}),
          post(`${mesh.url}/v1/${path}`, {}),
          fetch(`${mesh.url}/embed/${path}`),
          fetch(`${mesh.url}/embed?${path}=${path}`),
          post(`${mesh.url}/v1/embeddings`, { model: name, input: "a" }),
          post(`${mesh.url}/v1/embeddings`, { model: model, input: "a", user: name }),
          post(`${mesh.url}/v2/models/${path}/infer`, { inputs: [] }),
          fetch(`${mesh.url}/v2/models/${path}/versions/${path}`),
          post(`${mesh.url}/arrowmesh.gateway.v1.GatewayService/${path}`, {}),
          post(`${mesh.url}/${path}/Embed`, {}),
          post(`${mesh.url}/embed`, { inputs: name }, { "x-request-id": name, "user-agent": name }),
          post(`${mesh.url}/arrowmesh.gateway.v1.GatewayService/Embed`, {
            texts: ["a"],
            model: name,
          }),
        ]);
      };
      const count = async (): Promise<number> => {
        const all = [...(await scrapeAll()).values()];
        for (const { text } of all)
          ok(!text.includes("evil"), "a caller's words are in the metrics");
        // Kinds of garbage collection and of open resources come and go by themselves.
        return all
          .flatMap(({ families }) => [...families])
          .filter(([name]) => !name.startsWith("nodejs_"))
          .reduce((sum, [, { series }]) => sum + series.length, 0);
      };
      // The first of each kind of refusal has a series of its own.
      for (let round = 0; round < 3; round += 1) await attack(round);
      const before = await count();
      for (let round = 3; round < 15; round += 1) await attack(round);
      equal(await count(), before);
    });

    test("promtool finds nothing wrong but names that are not ours", {
      skip: missing("promtool"),
    }, async () => {
      for (const { text } of (await scrapeAll()).values()) {
        const { stdout, stderr } = await run("promtool", ["check", "metrics"], { input: text });
        const problems = `${stdout}${stderr}`.split("\n").filter((line) => line !== "");
        const ours = problems.filter((line) => !/^(te|nodejs|ratelimit_service)_/.test(line));
        deepEqual(ours, []);
      }
    });
  });
}

test("the names of other servers can be turned off", async (t) => {
  const mesh = await startMesh("one", { COMPATIBLE_METRICS: "false" });
  t.after(() => mesh.stop());
  await post(`${mesh.url}/embed`, { inputs: "a" });
  const { families } = await scrape(mesh.url);
  const foreign = [...families.keys()].filter((name) => !/^(arrowmesh|process|nodejs)_/.test(name));
  deepEqual(foreign, []);
});

test("with Redis there are its metrics and those of its breaker", {
  skip: redisMissing,
}, async (t) => {
  const redis = new RedisServer();
  await redis.start();
  t.after(() => redis.remove());
  const role = await startRole("ratelimit", { REDIS_URL: redis.url });
  t.after(() => role.stop());
  const { families, value } = await scrape(role.url);
  const rows = [...documented.values()].filter(({ where }) => where === "ratelimit with Redis");
  ok(rows.length > 5);
  for (const { name, type, labels } of rows) {
    equal(families.get(name)?.type, type, name);
    deepEqual([...(families.get(name)?.labels ?? [])], labels, name);
    ok((families.get(name)?.series.length ?? 0) > 0, name);
  }
  equal(value("arrowmesh_redis_connected"), 1);
  equal(value('arrowmesh_breaker_state{breaker="redis"}'), 0);
});

function requireDocumented(name: string, { series, labels }: ScrapedFamily, role: string): void {
  const row = documented.get(name);
  ok(row !== undefined, `${name} of ${role} is not documented`);
  if (series.length === 0) return;
  ok(isIn(row.where, role), `${name} is documented for ${row.where}, not for ${role}`);
  deepEqual([...labels].toSorted(), row.labels.toSorted(), name);
}

/** Whether a process of this role has what the documentation places there. */
function isIn(where: string, role: string): boolean {
  if (where === "gateway alone") return role === "gateway";
  if (where === "ratelimit without Redis") return isIn("ratelimit", role);
  return where === "all" || where === role || (role === "mesh" && !where.includes(" with "));
}

/** One request of each kind, so that what is counted by kind has been counted. */
async function sendOfEverything({ url }: Mesh): Promise<void> {
  await post(`${url}/embed`, { inputs: "a" });
  await post(`${url}/predict`, { inputs: "a" });
  await post(`${url}/embed_sparse`, { inputs: "a" });
}

interface Row {
  readonly name: string;
  readonly labels: readonly string[];
  readonly type: string;
  readonly where: string;
}

/** The tables of docs/metrics.md; rows of whole families of names, which end in `*`, are left out. */
function readDocument(): ReadonlyMap<string, Row> {
  const text = readFileSync(join(packageRoot, "docs/metrics.md"), "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("| `"));
  const read = rows.map((line): Row => {
    const [, name = "", labels = "", type = "", where = ""] = line
      .split("|")
      .map((cell) => cell.trim());
    return {
      name: name.replaceAll("`", ""),
      labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label),
      ...{ type, where },
    };
  });
  return new Map(read.filter(({ name }) => !name.includes("*")).map((row) => [row.name, row]));
}
