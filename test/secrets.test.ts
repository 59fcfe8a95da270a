// No secret, neither of the mesh nor of its callers, stands anywhere that people or machines read: all that processes
// print, log files, metrics, what roles say of themselves, and exported spans.

import { deepEqual, equal, ok } from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { GRPCInferenceService } from "../gen/inference/grpc_service_pb.js";
import { Embed } from "../gen/tei/v1/tei_pb.js";
import { packageRoot } from "../lib/package-root.js";
import { gatewayOf, transportsOf } from "./support/clients.js";
import { linesAbout, processesOf } from "./support/log-lines.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { run } from "./support/programs.js";
import { writeLookup } from "./support/tiny-models.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const key = "sk-right-5f2c1e8a";
const redisPassword = "r3dis-Passw0rd";
const hubToken = "hf_QWERTYUIOPasdfgh";
const otlpToken = "otlp-bearer-77aa";
/** Of the mesh: they stand nowhere, whoever sends them and however. */
const ownSecrets = [key, redisPassword, hubToken, otlpToken];
/** Of callers, who show them where credentials belong, or by mistake elsewhere. */
const wrongKey = "sk-wrong-9b3d7744";
const queryKey = "sk-query-1c2d3e4f";
const cookieKey = "sk-cookie-aa11bb22";
const basicKey = "sk-basic-0f9e8d7c";
const bodyKey = "sk-body-99887766";
const foreignSecrets = [wrongKey, queryKey, cookieKey, basicKey, bodyKey];

for (const kind of kinds) {
  describe(`the mesh as ${kind}, asked with keys of all kinds`, { timeout: 240_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "arrowmesh-secrets-"));
    const spans = createSpanServer();
    let mesh: Mesh;
    let found: Readonly<Record<string, string>>;
    before(async () => {
      writeLookup(join(folder, "models/lookup/1"));
      mesh = await startMesh(kind, {
        ...{ LOG_LEVEL: "trace", LOG_PERSONAL_DATA: "true" },
        ...{ API_KEY: key, HF_TOKEN: hubToken, MODEL_REPOSITORY: join(folder, "models") },
        // Nobody listens there, and each try is logged.
        REDIS_URL: `redis://default:${redisPassword}@127.0.0.1:9`,
        OTEL_EXPORTER_OTLP_ENDPOINT: await spans.open(),
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${otlpToken}`,
        ...{ OTEL_TRACES_SAMPLER: "always_on", OTEL_BSP_SCHEDULE_DELAY: "50" },
        RATELIMIT_EXEMPT_LOOPBACK: "false",
        // Both ways out are looked at: as one, lines go to files.
        ...(kind === "one" && {
          LOG_FILE: join(folder, "logs/mesh.log"),
          LOG_FILE_BYTES_MAX: "4096",
          LOG_FILES_MAX: "1000",
        }),
      });
      await askEverything(mesh);
      found = await collect(mesh, folder, spans.bodies);
    });
    after(async () => {
      await mesh?.stop();
      spans.close();
      rmSync(folder, { recursive: true });
    });

    for (const secret of [...ownSecrets, ...foreignSecrets]) {
      test(`${secret} stands nowhere`, () => {
        for (const [place, content] of Object.entries(found)) {
          for (const form of [secret, encodeURIComponent(secret), base64Of(`user:${secret}`)]) {
            const at = content.indexOf(form);
            equal(at, -1, `${place}: ${content.slice(Math.max(0, at - 200), at + 100)}`);
          }
        }
      });
    }

    test("there was something to find them in", () => {
      const all = Object.values(found).join("\n");
      for (const status of [
        "ok",
        "unauthenticated",
        "invalid",
        "malformed",
        "not_found",
        "internal",
      ]) {
        ok(all.includes(`"status":"${status}"`), status);
      }
      ok(all.includes('"user":"[secret]"'), "a key as the name of a user");
      ok(all.includes("redis is away"));
      deepEqual([...spans.credentials], [`Bearer ${otlpToken}`]);
      ok((found.spans ?? "").length > 1_000);
    });
  });
}

describe("a process that cannot start", () => {
  const main = join(packageRoot, "dist/services/main.js");
  for (const [setting, value] of [
    ["REDIS_URL", `postgres://default:${redisPassword}@127.0.0.1:9`],
    ["REDIS_URL", `redis://default:${redisPassword}@127.0.0.1:port`],
    ["REDIS_URL", `:${redisPassword}@127.0.0.1`],
    ["HF_TOKEN", `${hubToken} ${hubToken}`],
    ["API_KEY_TIER", `no tier ${redisPassword}`],
  ] as const) {
    test(`does not say the secret: ${setting} ${value.replaceAll(/[\w-]{8,}/g, "…")}`, async () => {
      const { stdout, stderr } = await run(process.execPath, [main, "serve"], {
        env: { PORT: "1", [setting]: value, LIMITS: "", POSTGRES_PASSWORD: redisPassword },
        msMax: 30_000,
      });
      const printed = stdout + stderr;
      ok(printed.length > 0);
      for (const secret of [redisPassword, hubToken]) ok(!printed.includes(secret), printed);
    });
  }
});

/** Right keys and wrong ones, where they belong and where not, and a failure of every kind that a caller can cause. */
async function askEverything(mesh: Mesh): Promise<void> {
  const { url } = mesh;
  const right = { authorization: `Bearer ${key}` };
  const json = { "content-type": "application/json" };
  const embed = (headers: Record<string, string>, body = '{"inputs":"a"}', path = "/embed") =>
    fetch(`${url}${path}`, { method: "POST", headers: { ...json, ...headers }, body });
  const bug = JSON.stringify({
    inputs: [{ name: "INPUT0", datatype: "INT64", shape: [1, 1], data: [99] }],
  });
  const requests: (() => Promise<Response>)[] = [
    () => embed(right),
    () => embed({ ...right, "x-request-id": key }),
    () => embed({ ...right, "x-arrowmesh-user": key }),
    () => embed({ ...right, cookie: `session=${cookieKey}`, "x-api-key": wrongKey }),
    () => embed({ ...right, "proxy-authorization": `Bearer ${wrongKey}`, referer: `/${queryKey}` }),
    () => embed({ authorization: `Bearer ${wrongKey}` }),
    () => embed({ authorization: wrongKey }),
    () => embed({ authorization: `Basic ${base64Of(`user:${basicKey}`)}` }),
    () => embed({ authorization: `Basic ${base64Of(`user:${key}`)}` }),
    () => embed({ cookie: `authorization=${cookieKey}` }),
    () => embed({}, "{}", `/embed?api_key=${queryKey}&key=${key}`),
    () => embed(right, '{"inputs":"a"}', `/embed?api_key=${queryKey}`),
    () => embed(right, "{}", `/${queryKey}/${key}`),
    () => fetch(`${url}/v2/models/${queryKey}/versions/${key}`, { headers: right }),
    () => fetch(`${url}/embed?token=${queryKey}`, { headers: right }),
    () => embed(right, `{"inputs": "${bodyKey}", `),
    () => embed(right, JSON.stringify({ inputs: bodyKey })),
    () => embed(right, JSON.stringify({ inputs: 1, [bodyKey]: key })),
    () => embed(right, JSON.stringify({ inputs: "a", prompt_name: bodyKey })),
    () => embed(right, JSON.stringify({ input: bodyKey, model: bodyKey }), "/v1/embeddings"),
    () => embed(right, JSON.stringify({ input: "a", user: key }), "/v1/embeddings"),
    () => embed(right, JSON.stringify({ inputs: bodyKey.repeat(200_000) })),
    () => embed(right, bug, "/v2/models/lookup/infer"),
    () => embed({ ...right, "content-type": `text/${bodyKey}` }, bodyKey),
    () => embed({ ...right, "content-encoding": "gzip" }, bodyKey),
  ];
  for (const ask of requests) await (await ask()).arrayBuffer();
  await askByRpc(url);
  // The last request: its line comes after all others.
  await embed({ ...right, "x-request-id": "the-last" });
}

async function askByRpc(url: string): Promise<void> {
  for (const transport of Object.values(transportsOf(url))) {
    for (const authorization of [`Bearer ${key}`, `Bearer ${wrongKey}`, `Basic ${basicKey}`]) {
      const options = { headers: { authorization, cookie: `a=${cookieKey}`, "x-key-bin": "AAAA" } };
      const inputs = [bodyKey];
      await Promise.allSettled([
        gatewayOf(transport).embed({ inputs }, options),
        gatewayOf(transport).embed({ inputs, model: bodyKey }, options),
        gatewayOf(transport).embed({ inputs: [] }, options),
        createClient(Embed, transport).embed({ inputs: "a", promptName: bodyKey }, options),
        createClient(GRPCInferenceService, transport).modelReady({ name: bodyKey }, options),
      ]);
    }
  }
}

/** All that can be read of the mesh, by where it stands. */
async function collect(
  mesh: Mesh,
  folder: string,
  spans: readonly string[],
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const processes = processesOf(mesh);
  for (const { url, pid } of processes) {
    for (const path of ["/metrics", "/status", "/openapi.json", "/rlconfig"]) {
      found[`${path} of ${pid}`] = await (await fetch(`${url}${path}`)).text();
    }
  }
  if (mesh.roles.inference !== undefined) await linesAbout("the-last", [mesh.gateway]);
  // What was logged and recorded is out when a process ends.
  await mesh.stop();
  for (const { printed, pid } of processes) {
    found[`stdout of ${pid}`] = printed.stdout;
    found[`stderr of ${pid}`] = printed.stderr;
  }
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (name.startsWith("logs/")) found[name] = readFileSync(join(folder, name), "utf8");
  }
  found.spans = spans.join("\n");
  return found;
}

function base64Of(plain: string): string {
  return Buffer.from(plain).toString("base64");
}

/** Takes spans as they come, without looking. */
function createSpanServer() {
  const bodies: string[] = [];
  const credentials = new Set<string>();
  const server = createServer(async (request: IncomingMessage, response) => {
    credentials.add(String(request.headers.authorization));
    bodies.push(await text(request));
    response.setHeader("content-type", "application/json").end("{}");
  });
  return {
    bodies,
    credentials,
    async open(): Promise<string> {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
