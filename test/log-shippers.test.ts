// deploy/logs/: what a real Collector makes of the log of a running mesh, and whether Filebeat's configuration can be right.

import { deepEqual, equal, ok } from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { packageRoot } from "../lib/package-root.js";
import { post } from "./support/clients.js";
import { collectorProgram } from "./support/collector-program.js";
import { type LogLine, readLines } from "./support/log-lines.js";
import { type Mesh, startMesh } from "./support/mesh-process.js";
import { startCollector as startCollectorOfSpans } from "./support/otlp-collector.js";
import { missing } from "./support/programs.js";
import { writeLookup } from "./support/tiny-models.js";

const readMsMax = 60_000;
const requests = 60;

/** A record of OTLP's JSON, flattened. */
interface Received {
  readonly resource: LogLine;
  readonly attributes: LogLine;
  readonly body: string;
  readonly traceId: string;
  readonly severityText: string;
  readonly severityNumber: number;
  readonly timeMs: number;
}

describe("an OpenTelemetry Collector", { skip: missing("go"), timeout: 1_500_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-shippers-"));
  const receiver = createReceiver();
  const traceId = randomUUID().replaceAll("-", "");
  let lines: readonly LogLine[];
  let collector: ChildProcess;

  before(async () => {
    const program = await collectorProgram();
    collector = startCollector(program, folder, await receiver.open());
    lines = await writeLog(folder, traceId);
    // As a container runtime writes them.
    const pod = join(folder, "pods/arrowmesh_gateway-7d_0a1b-2c3d/gateway");
    mkdirSync(pod, { recursive: true });
    const written = lines.map(
      (line) => `2026-01-01T00:00:00.1Z stdout F ${JSON.stringify(line)}\n`,
    );
    writeFileSync(
      join(pod, "0.log"),
      `${written.join("")}2026-01-01T00:00:00.5Z stderr F no JSON\n`,
    );
    await receiver.until(2 * lines.length + 1);
  });
  after(async () => {
    collector?.kill();
    if (collector?.exitCode === null) await once(collector, "exit");
    receiver.close();
    rmSync(folder, { recursive: true });
  });

  const of = (where: "files" | "pods"): readonly Received[] =>
    receiver.records.filter(
      ({ resource }) => (where === "pods") === (resource["k8s.pod.name"] !== undefined),
    );

  test("reads each line once, through rotations too", async () => {
    ok(readdirSync(join(folder, "logs")).length > 2, "there were rotations");
    // One that is read twice would come within this time.
    await sleep(1_500);
    const ids = of("files").flatMap(({ attributes }) => attributes.request_id ?? []);
    equal(ids.length, new Set(ids).size);
    equal(of("files").length, lines.length);
  });

  for (const where of ["files", "pods"] as const) {
    test(`keeps every field of a line of ${where}, each in its place`, () => {
      for (const line of lines) hasEverything(find(of(where), line), line);
    });
  }

  test("knows a bug by its severity and its trace", () => {
    const [bug, ...more] = of("files").filter(({ severityNumber }) => severityNumber >= 17);
    deepEqual(more, []);
    deepEqual([bug?.severityNumber, bug?.severityText, bug?.traceId], [17, "error", traceId]);
    ok(String(bug?.attributes.cause).includes("\n"), "the stack has its lines");
  });

  test("knows pods, and passes on what is no JSON", () => {
    const pods = of("pods");
    for (const { resource } of pods) {
      deepEqual(
        [resource["k8s.namespace.name"], resource["k8s.pod.name"], resource["k8s.container.name"]],
        ["arrowmesh", "gateway-7d", "gateway"],
      );
    }
    equal(pods.filter(({ body }) => body === "no JSON").length, 1);
  });
});

describe("Filebeat's configuration", () => {
  const text = readFileSync(join(packageRoot, "deploy/logs/filebeat.yml"), "utf8");
  const { processors, ...config } = parse(text) as {
    readonly processors: readonly Readonly<Record<string, Readonly<Record<string, unknown>>>>[];
    readonly "filebeat.inputs": readonly LogLine[];
  };

  test("names documented processors and options only", () => {
    for (const processor of processors) {
      const [[name = "", options = {}] = []] = Object.entries(processor);
      for (const option of Object.keys(options)) {
        ok(["when", ...(documented[name] ?? [])].includes(option), `${name}.${option}`);
      }
    }
    for (const input of config["filebeat.inputs"]) {
      for (const option of Object.keys(input)) ok(documented.filestream?.includes(option), option);
    }
    const ids = config["filebeat.inputs"].map(({ id }) => id);
    equal(new Set(ids).size, ids.length, "inputs without ids of their own read everything twice");
  });

  test("names fields only that lines have", () => {
    const docs = readFileSync(join(packageRoot, "docs/logs.md"), "utf8");
    // test/logs.test.ts holds the document against real lines.
    const fields = new Set([...docs.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name));
    const named = [...text.matchAll(/arrowmesh\.(\w+)/g)].map(([, name]) => name);
    ok(named.length > 10);
    for (const name of named) ok(fields.has(name), name);
  });
});

/** The record that a line has become. */
function find(records: readonly Received[], { time, request_id, message }: LogLine): Received {
  const found = records.find(
    ({ timeMs, attributes, body }) =>
      timeMs === Date.parse(String(time)) &&
      attributes.request_id === request_id &&
      body === message,
  );
  ok(found, `${String(message)} of ${String(time)}`);
  return found;
}

function hasEverything({ attributes, resource, ...record }: Received, line: LogLine): void {
  const { time: _, level, message: __, trace_id = "", role, ...others } = line;
  equal(record.severityText, level);
  equal(record.traceId, trace_id);
  equal(attributes.role, role);
  equal(resource["service.namespace"], "arrowmesh");
  equal(resource["service.name"], role === undefined ? undefined : `arrowmesh-${role}`);
  for (const [name, value] of Object.entries(others)) {
    deepEqual(attributes[name], typeof value === "object" ? undefined : value, name);
  }
  for (const name of ["time", "level", "message", "trace_id"]) equal(attributes[name], undefined);
}

/** Options in Elastic's reference of Filebeat 8 and 9. */
const documented: Readonly<Record<string, readonly string[]>> = {
  filestream: ["type", "id", "paths", "parsers"],
  decode_json_fields: [
    ...["fields", "process_array", "max_depth", "target"],
    ...["overwrite_keys", "expand_keys", "add_error_key", "document_id"],
  ],
  drop_fields: ["fields", "ignore_missing"],
  rename: ["fields", "ignore_missing", "fail_on_error"],
  timestamp: [
    ...["field", "target_field", "layouts", "timezone"],
    ...["ignore_missing", "ignore_failure", "test", "id"],
  ],
};

/** The log of a real mesh that works, refuses and fails; its files rotate while somebody reads them. */
async function writeLog(folder: string, traceId: string): Promise<readonly LogLine[]> {
  writeLookup(join(folder, "models/lookup/1"));
  const spans = await startCollectorOfSpans();
  const path = join(folder, "logs/mesh.log");
  const mesh: Mesh = await startMesh("one", {
    ...{ LOG_LEVEL: "info", LOG_FILE: path, LOG_FILE_BYTES_MAX: "8192", LOG_FILES_MAX: "100" },
    MODEL_REPOSITORY: join(folder, "models"),
    ...spans.env,
  });
  try {
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    for (let count = 0; count < requests; count += 1) {
      await post(`${mesh.url}/embed`, { inputs: count % 10 === 0 ? 1 : `text ${count}` });
      await sleep(20);
    }
    const input = { name: "INPUT0", datatype: "INT64", shape: [1, 1], data: [99] };
    await post(`${mesh.url}/v2/models/lookup/infer`, { inputs: [input] }, headers);
  } finally {
    await mesh.stop();
    spans.close();
  }
  const names = readdirSync(join(folder, "logs"));
  return names.flatMap((name) => readLines(readFileSync(join(folder, "logs", name), "utf8")));
}

function startCollector(program: string, folder: string, endpoint: string): ChildProcess {
  const override = join(folder, "override.yaml");
  // The receiver of the test reads JSON; all else is as it is shipped.
  writeFileSync(override, "exporters: { otlp_http: { encoding: json, compression: none } }\n");
  const config = join(packageRoot, "deploy/logs/otel-collector.yaml");
  return spawn(program, ["--config", config, "--config", override], {
    env: {
      ...process.env,
      COLLECTOR_STATE: join(folder, "state"),
      ARROWMESH_LOG_FILES: join(folder, "logs/*.log*"),
      ARROWMESH_POD_LOGS: join(folder, "pods/arrowmesh_*/*/*.log"),
      OTLP_ENDPOINT: endpoint,
    },
    stdio: "ignore",
  });
}

function createReceiver() {
  const records: Received[] = [];
  const server = createServer(async (request, response) => {
    const { resourceLogs } = (await json(request)) as Export;
    for (const { resource, scopeLogs } of resourceLogs) {
      for (const record of scopeLogs.flatMap(({ logRecords }) => logRecords)) {
        records.push(toReceived(resource.attributes, record));
      }
    }
    response.setHeader("content-type", "application/json").end("{}");
  });
  return {
    records,
    async open(): Promise<string> {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    },
    async until(count: number): Promise<void> {
      const deadline = Date.now() + readMsMax;
      while (records.length < count) {
        if (Date.now() > deadline) throw new Error(`${records.length} of ${count} records came`);
        await sleep(50);
      }
    },
    close(): void {
      server.close();
      server.closeAllConnections();
    },
  };
}

type Attributes = readonly {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}[];

interface Export {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes: Attributes };
    readonly scopeLogs: readonly { readonly logRecords: readonly RawRecord[] }[];
  }[];
}

interface RawRecord {
  readonly timeUnixNano?: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly body: { readonly stringValue: string };
  readonly attributes: Attributes;
  readonly traceId?: string;
}

function toReceived(resource: Attributes, record: RawRecord): Received {
  const { timeUnixNano = "0", severityNumber = 0, severityText = "", traceId = "" } = record;
  return {
    resource: valuesOf(resource),
    attributes: valuesOf(record.attributes),
    body: record.body.stringValue,
    ...{ traceId, severityText, severityNumber },
    timeMs: Number(BigInt(timeUnixNano) / 1_000_000n),
  };
}

/** Strings, numbers and booleans; lists and objects are not looked at. */
function valuesOf(attributes: Attributes): LogLine {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.doubleValue ?? value.boolValue ?? value.intValue,
    ]),
  );
}
