// grpcurl, which learns the contracts by server reflection. Built by Go from test/tools, once.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { type Mesh, startMesh } from "../support/mesh-process.js";
import { cacheFolder, missing, run } from "../support/programs.js";

const version = "1.9.3";
const program = join(cacheFolder, `grpcurl-${version}`);
/** What a call may take, well below its own deadline: one that only ends by its deadline is a failure. */
const callMsMax = 10_000;
const deadline = ["-plaintext", "-max-time", "20"] as const;
const modelServices = [
  "arrowmesh.inference.v1.RepositoryService",
  "inference.GRPCInferenceService",
];
const teiServices = ["Embed", "Info", "Predict", "Rerank", "Tokenize"].map(
  (name) => `tei.v1.${name}`,
);
/** What a server has besides its own service, its status, health and reflection. */
const otherServices: Readonly<Record<string, readonly string[]>> = {
  gateway: [...modelServices, "arrowmesh.tokenizer.v1.TokenizerService", ...teiServices],
  inference: modelServices,
  ratelimit: ["envoy.service.ratelimit.v3.RateLimitService"],
};
const reflection = [
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

describe("grpcurl", { timeout: 400_000, skip: existsSync(program) ? false : missing("go") }, () => {
  let mesh: Mesh;
  before(async () => {
    await buildOnce();
    mesh = await startMesh("four");
  });
  after(() => mesh.stop());

  const grpcurl = async (args: readonly string[], input = ""): Promise<string> => {
    const { code, stdout, stderr } = await run(program, [...deadline, ...args], {
      input,
      msMax: callMsMax,
    });
    equal(code, 0, stderr || `${args.join(" ")} did not end`);
    return stdout;
  };
  const refusal = async (...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await run(program, [...deadline, ...args], { msMax: callMsMax });
    ok(code !== null && code !== 0, `${args.join(" ")}: ${code}`);
    return stderr;
  };
  const addressOf = (url: string): string => new URL(url).host;

  test("lists the services of every server", async () => {
    const servers = { gateway: mesh.gateway, ...mesh.roles };
    for (const [role, { url }] of Object.entries(servers)) {
      const own = `arrowmesh.${role}.v1.${role[0]?.toUpperCase()}${role.slice(1)}Service`;
      const others = otherServices[role] ?? [];
      const listed = (await grpcurl([addressOf(url), "list"])).trim().split("\n");
      const everywhere = [
        "arrowmesh.status.v1.StatusService",
        "grpc.health.v1.Health",
        ...reflection,
      ];
      deepEqual(listed, [own, ...others, ...everywhere].sort());
    }
  });

  test("finds the older reflection on every server too", async () => {
    for (const { url } of [mesh.gateway, ...Object.values(mesh.roles)]) {
      const method = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
      const listed = await grpcurl(["-d", '{"list_services":"*"}', addressOf(url), method]);
      match(listed, /"name": "grpc.health.v1.Health"/);
    }
  });

  test("describes the messages of every server", async () => {
    const messages = [
      [mesh.gateway, "gateway.v1.EmbedRequest", /repeated string inputs = 2;/],
      [mesh.roles.tokenizer, "tokenizer.v1.EncodeRequest", /repeated string texts = 2;/],
      [mesh.roles.inference, "inference.v1.EmbedRequest", /TokenSequence sequences = 2;/],
      [mesh.roles.ratelimit, "ratelimit.v1.TakeRequest", /uint64 amount = 3;/],
    ] as const;
    for (const [server, message, field] of messages) {
      const address = addressOf(server?.url ?? "");
      match(await grpcurl([address, "describe", `arrowmesh.${message}`]), field);
    }
  });

  test("checks, lists and watches health on every server", async () => {
    for (const { url } of [mesh.gateway, ...Object.values(mesh.roles)]) {
      const address = addressOf(url);
      match(await grpcurl([address, "grpc.health.v1.Health/Check"]), /"SERVING"/);
      match(await grpcurl([address, "grpc.health.v1.Health/List"]), /"arrowmesh\./);
      const watched = await run(program, [
        "-plaintext",
        "-max-time",
        "2",
        address,
        "grpc.health.v1.Health/Watch",
      ]);
      match(watched.stdout, /"SERVING"/);
      const unknown = ["-d", '{"service":"x"}', address, "grpc.health.v1.Health/Check"];
      match(await refusal(...unknown), /NotFound/);
    }
  });

  test("embeds, also as a stream", async () => {
    const gateway = "arrowmesh.gateway.v1.GatewayService";
    const address = addressOf(mesh.url);
    const one = await grpcurl([
      "-d",
      '{"inputs":["a"],"dimensions":2}',
      address,
      `${gateway}/Embed`,
    ]);
    equal((JSON.parse(one) as { inputTokens: number }).inputTokens, 3);
    const texts = '{"input":"a","dimensions":2}{"input":"b","dimensions":2}';
    const stream = await grpcurl(["-d", "@", address, `${gateway}/EmbedStream`], texts);
    equal(stream.match(/"values"/g)?.length, 2);
  });

  test("speaks tei.v1, also as streams", async () => {
    const address = addressOf(mesh.url);
    match(await grpcurl([address, "describe", "tei.v1.EmbedRequest"]), /string inputs = 1;/);
    const info = JSON.parse(await grpcurl([address, "tei.v1.Info/Info"])) as object;
    ok("modelId" in info && "maxInputLength" in info);
    const text = '{"inputs":"hello world","dimensions":2}';
    const one = await grpcurl(["-v", "-d", text, address, "tei.v1.Embed/Embed"]);
    match(one, /x-compute-tokens: 4/);
    match(one, /"computeTokens": 4/);
    const stream = await grpcurl(["-d", "@", address, "tei.v1.Embed/EmbedStream"], text + text);
    equal(stream.match(/"embeddings"/g)?.length, 2);
    const ranked = ["a cat", "stocks"].map((said) => ({ query: "kitten", text: said }));
    const texts = ranked.map((message) => JSON.stringify(message)).join("");
    const ranks = await grpcurl(["-d", "@", address, "tei.v1.Rerank/RerankStream"], texts);
    equal((JSON.parse(ranks) as { ranks: unknown[] }).ranks.length, 2);
    const health = ["-d", '{"service":"tei.v1.Embed"}', address, "grpc.health.v1.Health/Check"];
    match(await grpcurl(health), /"SERVING"/);
    match(await refusal("-d", "{}", address, "tei.v1.Embed/Embed"), /google.rpc.BadRequest/);
  });

  test("shows why a call is refused, by every server", async () => {
    const bad = [
      [mesh.gateway, "gateway.v1.GatewayService/Embed", '{"inputs":[""]}', '"field": "inputs[0]"'],
      [mesh.roles.tokenizer, "tokenizer.v1.TokenizerService/Encode", "{}", "texts"],
      [mesh.roles.inference, "inference.v1.InferenceService/Embed", "{}", "sequences"],
      [mesh.roles.ratelimit, "ratelimit.v1.RatelimitService/Take", "{}", "caller.ip"],
    ] as const;
    for (const [server, method, request, field] of bad) {
      const args = ["-d", request, addressOf(server?.url ?? ""), `arrowmesh.${method}`];
      const reasons = await refusal(...args);
      match(reasons, /InvalidArgument/, method);
      match(reasons, /google.rpc.ErrorInfo/, method);
      ok(reasons.includes(field), `${method}: ${reasons}`);
    }
  });
});

async function buildOnce(): Promise<void> {
  if (existsSync(program)) return;
  const tool = "github.com/fullstorydev/grpcurl/cmd/grpcurl";
  const ldflags = `-X main.version=${version}`;
  const cwd = join(packageRoot, "test/tools");
  // Under its name only when it is complete.
  const partial = `${program}.${process.pid}`;
  const built = await run("go", ["build", "-ldflags", ldflags, "-o", partial, tool], {
    cwd,
    msMax: 360_000,
  });
  equal(built.code, 0, built.stderr);
  renameSync(partial, program);
}
