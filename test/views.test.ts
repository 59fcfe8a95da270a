// A real Prometheus scrapes four processes, as deploy/prometheus says for a cluster, and answers what dashboards ask.

import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RedisServer, redisMissing } from "../services/ratelimit/stores/redis-server.js";
import {
  findingsOf,
  type KnownMetrics,
  readExpositions,
  withRules,
} from "./support/known-metrics.js";
import { type Mesh, startMesh } from "./support/mesh-process.js";
import { type Collector, startCollector } from "./support/otlp-collector.js";
import { missing } from "./support/programs.js";
import { type Prometheus, startPrometheus } from "./support/prometheus.js";
import {
  dashboards,
  prometheusFolder,
  queriesOf,
  readYaml,
  ruleFiles,
  rulesOf,
} from "./support/views.js";

const waitMsMax = 60_000;
/** What every scraped series has beside its own labels. */
const targetLabels = ["job", "instance", "service", "namespace", "pod", "node"];

describe("the ready-made views of a mesh", { skip: redisMissing, timeout: 300_000 }, () => {
  const redis = new RedisServer();
  let collector: Collector;
  let mesh: Mesh;
  before(async () => {
    await redis.start();
    collector = await startCollector();
    mesh = await startMesh("four", {
      ...collector.env,
      REDIS_URL: redis.url,
      RATELIMIT_EXEMPT_LOOPBACK: "false",
      RATELIMIT_REQUESTS_PER_SECOND: "20",
      RATELIMIT_REQUESTS_BURST: "20",
    });
    // More than is allowed at once, so that there are refusals.
    await Promise.all(Array.from({ length: 40 }, () => embed(mesh)));
    // And decisions without the shared counters.
    await redis.kill();
    await embed(mesh);
    await redis.start();
  });
  after(async () => {
    await mesh.stop();
    await redis.remove();
    collector.close();
  });

  test("name only metrics and labels that the processes have", async () => {
    const known = await metricsOf(mesh);
    const findings = queries().flatMap(({ where, expr }) =>
      findingsOf(expr, known).map((finding) => `${where}: ${finding}`),
    );
    deepEqual(findings, []);
  });

  describe("in a real Prometheus", { skip: missing("prometheus") }, () => {
    let prometheus: Prometheus;
    let load: Load;
    before(async () => {
      load = startLoad(mesh);
      prometheus = await startPrometheus(clusterConfig(mesh));
    });
    after(async () => {
      await load.stop();
      await prometheus.stop();
    });

    test("the configuration finds the pods of the four roles, and no other", async () => {
      const targets = await eventually(async () => {
        const { activeTargets } = (await prometheus.get("targets")) as Targets;
        const isUp = activeTargets.every(({ health }) => health === "up");
        return isUp && activeTargets.length > 0 ? activeTargets : undefined;
      });
      deepEqual(
        targets.map(({ labels }) => labels).sort(byService),
        ["gateway", "inference", "ratelimit", "tokenizer"].map((service) => ({
          job: "arrowmesh",
          service,
          namespace: "arrowmesh",
          pod: `${service}-0`,
          instance: `${service}-0`,
          node: "node-1",
        })),
      );
    });

    test("every recording rule gives numbers once there was load", async () => {
      for (const record of records()) {
        await eventually(async () => {
          const samples = await prometheus.query(record);
          return samples.length > 0 && samples.every(({ value }) => !Number.isNaN(value));
        }, record);
      }
    });

    for (const dashboard of dashboards) {
      test(`every panel of ${dashboard.title} has data, but those of trouble`, async () => {
        for (const { title, expr } of queriesOf(dashboard)) {
          if (quietWhenWell.some((pattern) => pattern.test(expr))) await prometheus.query(expr);
          else await eventually(async () => (await prometheus.query(expr)).length > 0, title);
        }
      });
    }

    test("slow requests lead to their traces", async () => {
      const exemplars = await eventually(async () => {
        const found = (await prometheus.get("query_exemplars", {
          query: "arrowmesh_call_duration_seconds_bucket",
          start: String(Date.now() / 1000 - 600),
          end: String(Date.now() / 1000),
        })) as Exemplars;
        const all = found.flatMap(({ exemplars: ofSeries }) => ofSeries);
        return all.length > 0 ? all : undefined;
      });
      for (const { labels } of exemplars) ok(/^[0-9a-f]{32}$/.test(labels.trace_id ?? ""));
    });

    test("nothing fires while all is well, and every rule can be evaluated", async () => {
      const { groups } = (await prometheus.get("rules")) as RuleStates;
      const rules = groups.flatMap((group) => group.rules);
      equal(rules.length, ruleFiles.flatMap(rulesOf).length);
      for (const { name, health, lastError } of rules) equal(health, "ok", `${name}: ${lastError}`);
      // A machine that runs other tests as well may be slow; that is no fault of the mesh.
      const firing = 'ALERTS{alertstate="firing",alertname!="ArrowmeshSlow",slo!="latency"}';
      deepEqual(await prometheus.query(firing), []);
    });

    test("the end of a process, and of Redis, is told by the alerts that are about it", async () => {
      await Promise.all([mesh.roles.inference?.stop(), redis.kill()]);
      const expected = [
        { alertname: "ArrowmeshTargetDown", instance: "inference-0" },
        { alertname: "ArrowmeshUpstreamDown", upstream: "inference" },
        { alertname: "ArrowmeshRoleMissing", role: "inference" },
        { alertname: "ArrowmeshServerErrors", role: "gateway" },
        { alertname: "ArrowmeshRedisDown", instance: "ratelimit-0" },
        { alertname: "ArrowmeshBreakerOpen", breaker: "redis" },
      ];
      for (const labels of expected) {
        const matchers = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
        // For how long each waits before it fires is promtool's part.
        const expr = `ALERTS{${matchers.join(",")}}`;
        await eventually(async () => (await prometheus.query(expr)).length > 0, expr);
      }
    });
  });
});

/** Queries that have no data as long as nothing is wrong. */
const quietWhenWell = [
  /^ALERTS\{/,
  /^changes\(process_start_time_seconds/,
  /status!="ok"/,
  /arrowmesh_ratelimit_degraded_decisions_total/,
  /^count by \(model\) \(arrowmesh_inference_model_healthy\{.*\} == 0\)$/,
];

const records = (): string[] => ruleFiles.flatMap(rulesOf).flatMap(({ record }) => record ?? []);

function queries(): { where: string; expr: string }[] {
  const ofRules = ruleFiles
    .flatMap(rulesOf)
    .map(({ record, alert, expr }) => ({ where: record ?? alert ?? "", expr }));
  const ofDashboards = dashboards.flatMap((dashboard) =>
    queriesOf(dashboard).map(({ title, expr }) => ({ where: `${dashboard.uid} ${title}`, expr })),
  );
  return [...ofRules, ...ofDashboards];
}

const processesOf = ({ gateway, roles }: Mesh) => Object.entries({ gateway, ...roles });

async function metricsOf(mesh: Mesh): Promise<KnownMetrics> {
  const texts = await Promise.all(
    processesOf(mesh).map(async ([, { url }]) => (await fetch(`${url}/metrics`)).text()),
  );
  return withRules(readExpositions(texts, targetLabels), ruleFiles.flatMap(rulesOf));
}

/** deploy/prometheus/prometheus.yml, with what Kubernetes would tell of these processes in place of asking it. */
function clusterConfig(mesh: Mesh): object {
  const config = readYaml("prometheus.yml") as ClusterConfig;
  const [scrape] = config.scrape_configs;
  const { kubernetes_sd_configs: _, ...rest } = scrape ?? {};
  const pod = (name: string, address: string, labels: Record<string, string> = {}) => ({
    targets: [address],
    labels: {
      __meta_kubernetes_namespace: "arrowmesh",
      __meta_kubernetes_pod_name: `${name}-0`,
      __meta_kubernetes_pod_node_name: "node-1",
      __meta_kubernetes_pod_phase: "Running",
      __meta_kubernetes_pod_container_port_name: "rpc",
      __meta_kubernetes_pod_label_app_kubernetes_io_name: name,
      ...labels,
    },
  });
  const nobody = "127.0.0.1:9";
  return {
    ...config,
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    alerting: {},
    rule_files: ruleFiles.map((name) => join(prometheusFolder, name)),
    scrape_configs: [
      {
        ...rest,
        scrape_interval: "1s",
        static_configs: [
          ...processesOf(mesh).map(([name, { port }]) => pod(name, `127.0.0.1:${port}`)),
          pod("redis", nobody, { __meta_kubernetes_pod_container_port_name: "redis" }),
          pod("someone-else", nobody),
          pod("gateway", nobody, { __meta_kubernetes_pod_phase: "Succeeded" }),
          pod("gateway", nobody, { __meta_kubernetes_pod_container_port_name: "debug" }),
        ],
      },
    ],
  };
}

function byService(one: Labels, other: Labels): number {
  return (one.service ?? "").localeCompare(other.service ?? "");
}

async function embed({ url }: Mesh): Promise<number> {
  const { status, body } = await fetch(`${url}/embed`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inputs: [`text ${Math.random()}`, "and one that is remembered"] }),
    signal: AbortSignal.timeout(30_000),
  });
  await body?.cancel();
  return status;
}

interface Load {
  stop(): Promise<void>;
}

/** Some requests a second, whatever becomes of them. */
function startLoad(mesh: Mesh): Load {
  let isOver = false;
  const sending = (async () => {
    while (!isOver) {
      await Promise.all([embed(mesh), embed(mesh)]);
      await sleep(200);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await sending;
    },
  };
}

/** Waits until there is something, for at most a minute. */
async function eventually<T>(look: () => Promise<T | false | undefined>, what = "it"): Promise<T> {
  const deadlineMs = Date.now() + waitMsMax;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    ok(Date.now() < deadlineMs, `${what} did not happen`);
    await sleep(250);
  }
}

type Labels = Readonly<Record<string, string>>;

interface ClusterConfig {
  readonly scrape_configs: readonly Readonly<Record<string, unknown>>[];
}

interface Targets {
  readonly activeTargets: readonly {
    readonly health: string;
    readonly labels: Labels;
  }[];
}

type Exemplars = readonly {
  readonly exemplars: readonly { readonly labels: Labels }[];
}[];

interface RuleStates {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly name: string;
      readonly health: string;
      readonly lastError?: string;
    }[];
  }[];
}
