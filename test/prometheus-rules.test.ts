// Rules, alerts and configurations of Prometheus, by its own tool, and that they say what the mesh's code says.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseAllDocuments, stringify } from "yaml";
import * as gateway from "../gen/arrowmesh/gateway/v1/gateway_pb.js";
import * as oip from "../gen/inference/grpc_service_pb.js";
import * as tei from "../gen/tei/v1/tei_pb.js";
import { answerOf } from "../lib/errors.js";
import { packageRoot } from "../lib/package-root.js";
import { missing, run } from "./support/programs.js";
import {
  dashboards,
  prometheusFolder,
  queriesOf,
  type Rule,
  readYaml,
  ruleFiles,
  rulesOf,
} from "./support/views.js";

const files = readdirSync(prometheusFolder);
const testFiles = files.filter((name) => name.endsWith(".test.yml"));
const configs = files.filter((name) => /^prometheus\b.*\.yml$/.test(name));
const alerts = rulesOf("alerts.rules.yml");
const services = [
  gateway.GatewayService,
  oip.GRPCInferenceService,
  tei.Embed,
  tei.Predict,
  tei.Rerank,
  tei.Tokenize,
];
/** Calls that the objectives do not count. */
const leftOutPattern = /method!~"([^"]*)"/.exec(rulesOf("slo.rules.yml")[0]?.expr ?? "")?.[1];
const leftOut = new RegExp(`^(${leftOutPattern})$`);
const runbook = readFileSync(join(packageRoot, "docs/runbook.md"), "utf8");
const names = [...new Set(alerts.map(({ alert }) => alert))];

describe("promtool", { skip: missing("promtool"), timeout: 600_000 }, () => {
  test("finds nothing wrong with the rules", () => promtool("check", "rules", ...ruleFiles));

  test("does what its README shows", async () => {
    const readme = readFileSync(join(prometheusFolder, "README.md"), "utf8");
    const [, args = ""] = /^promtool (.+)$/m.exec(readme) ?? [];
    const { code, stdout, stderr } = await run("promtool", args.split(" "), { cwd: packageRoot });
    equal(code, 0, stdout + stderr);
  });

  for (const config of configs) {
    test(`finds nothing wrong with ${config}`, () => checkConfig(config));
  }

  for (const file of testFiles) {
    test(`sees what ${file} expects`, () => promtool("test", "rules", file));
  }
});

describe("every alert", () => {
  test("has a case in which it fires, and one in which it does not", () => {
    const checks = testFiles
      .flatMap((file) => (readYaml(file) as Cases).tests)
      .flatMap((one) => one.alert_rule_test);
    const fired = checks.filter(({ exp_alerts }) => exp_alerts.length > 0);
    const quiet = checks.filter(({ exp_alerts }) => exp_alerts.length === 0);
    deepEqual([...new Set(fired.map(({ alertname }) => alertname))].sort(), [...names].sort());
    deepEqual([...new Set(quiet.map(({ alertname }) => alertname))].sort(), [...names].sort());
  });

  test("says how bad it is, what it is, and where it is explained", () => {
    for (const { alert = "", labels = {}, annotations = {} } of alerts) {
      match(labels.severity ?? "", /^(critical|warning)$/, alert);
      match(annotations.summary ?? "", /^[A-Z0-9].*[^.]$/, alert);
      match(annotations.description ?? "", /\.$/, alert);
      equal(annotations.runbook, `docs/runbook.md#${alert.toLowerCase()}`);
    }
  });

  test("has its section in the runbook, with all three answers, and no section is of none", () => {
    const sections = runbook.split(/^### /m).slice(1);
    deepEqual(sections.map((section) => section.split("\n")[0]).sort(), [...names].sort());
    for (const section of sections) {
      for (const part of ["**Means**", "**Look**", "**Do**"]) ok(section.includes(part), section);
    }
  });
});

describe("rules and code agree", () => {
  test("the runbook names only settings that are documented", () => {
    const folders = [
      "docs",
      "services/gateway",
      "services/tokenizer",
      "services/inference",
      "services/ratelimit",
    ];
    const documented = folders
      .flatMap((folder) =>
        readdirSync(join(packageRoot, folder)).map((name) => join(packageRoot, folder, name)),
      )
      .filter((path) => path.endsWith(".md") && !path.endsWith("runbook.md"))
      .map((path) => readFileSync(path, "utf8"))
      .join();
    const named = [...runbook.matchAll(/`(?!OTEL_)([A-Z]+_[A-Z_]+)`/g)].map(
      ([, name = ""]) => name,
    );
    ok(named.length > 0);
    for (const name of named) ok(documented.includes(`\`${name}`), name);
  });

  test("errors are the faults that callers see as 500, 503 or 504", () => {
    const server = Object.entries(answerOf)
      .filter(([, { httpStatus }]) => [500, 503, 504].includes(httpStatus))
      .map(([fault]) => fault);
    for (const { record = "", expr } of rulesOf("red.rules.yml")) {
      if (record.endsWith("call_errors:rate5m"))
        deepEqual(matched(expr, "status").sort(), server.sort());
    }
    for (const { record = "", expr, labels } of rulesOf("slo.rules.yml")) {
      if (labels?.slo !== "availability") continue;
      deepEqual(matched(expr, "status").sort(), [...server, "overloaded"].sort(), record);
    }
  });

  test("objectives leave out every stream and all loading of models, and count the other RPCs", () => {
    for (const { typeName, methods } of services) {
      for (const { name, methodKind } of methods) {
        const isLeftOut = methodKind !== "unary" || name.startsWith("Repository");
        equal(leftOut.test(`${typeName}/${name}`), isLeftOut, name);
      }
    }
  });

  test("objectives leave out probes, pages and lists, and count the other routes", () => {
    const out = ["GET /docs", "grpc.health.v1.Health/Check", "POST /v2/repository/index"];
    for (const name of out) equal(leftOut.test(name), true, name);
    const counted = ["POST /embed", "POST /v1/embeddings", "POST /v2/models/*"];
    for (const name of counted) equal(leftOut.test(name), false, name);
  });

  test("rules, alerts and dashboards mean the same requests", () => {
    const queries = [...ruleFiles.flatMap(rulesOf), ...dashboards.flatMap(queriesOf)];
    const used = queries.flatMap(({ expr }) => [...expr.matchAll(/method!~"([^"]*)"/g)]);
    ok(used.length > 0);
    for (const [, pattern] of used) equal(pattern, leftOutPattern);
  });

  test("all windows of an objective are the same rule", () => {
    const rules = rulesOf("slo.rules.yml");
    for (const slo of ["availability", "latency"]) {
      const ofSlo = rules.filter(({ labels }) => labels?.slo === slo);
      deepEqual(windows(ofSlo, "rate"), ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]);
      deepEqual(windows(ofSlo, "requests"), ["1h", "6h"]);
      for (const kind of ["rate", "requests"]) {
        const shapes = ofSlo
          .filter(({ record }) => record?.includes(`:${kind}`))
          .map(({ record, expr }) =>
            expr.replaceAll(`[${record?.split(`:${kind}`)[1]}]`, "[window]"),
          );
        equal(new Set(shapes).size, 1, `${slo} ${kind}`);
        ok(!/\[\d/.test(shapes[0] ?? ""));
      }
    }
  });

  test("every scrape configuration loads all rules", () => {
    for (const config of configs) deepEqual((readYaml(config) as Config).rule_files, ruleFiles);
  });

  test("memory is compared with the limits of the manifests", () => {
    const expr = alerts.find(({ alert }) => alert === "ArrowmeshMemoryHigh")?.expr ?? "";
    let total = 0;
    for (const role of ["gateway", "tokenizer", "inference", "ratelimit"]) {
      const limit = memoryLimitMiB(role);
      total += limit;
      match(
        expr,
        new RegExp(`role=~?"[^"]*\\b${role}\\b[^"]*"}\\s*> 0.9 \\* ${limit} \\* 1024 \\* 1024`),
      );
    }
    match(expr, new RegExp(`role="mesh"}\\s*> 0.9 \\* ${total} `));
  });
});

interface Cases {
  readonly tests: readonly {
    readonly alert_rule_test: readonly {
      readonly alertname: string;
      readonly exp_alerts: readonly unknown[];
    }[];
  }[];
}

interface Config {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly Record<string, unknown>[];
}

async function promtool(...args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await run("promtool", args, {
    cwd: prometheusFolder,
    msMax: 500_000,
  });
  equal(code, 0, stdout + stderr);
}

/** Debian builds Prometheus without Kubernetes; what is not of the cluster is checked all the same. */
async function checkConfig(file: string): Promise<void> {
  const config = readYaml(file) as Config;
  const scrape_configs = config.scrape_configs.map(({ kubernetes_sd_configs: _, ...rest }) => rest);
  const rule_files = config.rule_files.map((name) => join(prometheusFolder, name));
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-promtool-"));
  try {
    const copy = join(folder, file);
    writeFileSync(copy, stringify({ ...config, rule_files, scrape_configs }));
    await promtool("check", "config", copy);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The alternatives of a label's matcher. */
function matched(expr: string, label: string): string[] {
  return new RegExp(`\\b${label}=~"([^"]*)"`).exec(expr)?.[1]?.split("|") ?? [];
}

function windows(rules: readonly Rule[], kind: string): string[] {
  return rules.flatMap(({ record }) => record?.split(`:${kind}`).slice(1) ?? []);
}

/** Of the first container of a role's Deployment. */
function memoryLimitMiB(role: string): number {
  const [deployment] = parseAllDocuments(
    readFileSync(join(packageRoot, `deploy/k8s/${role}.yaml`), "utf8"),
  );
  const path = ["spec", "template", "spec", "containers", 0, "resources", "limits", "memory"];
  const [, number, unit] = /^(\d+)(Mi|Gi)$/.exec(String(deployment?.getIn(path))) ?? [];
  ok(number !== undefined, `${role} has no memory limit`);
  return Number(number) * (unit === "Gi" ? 1024 : 1);
}
