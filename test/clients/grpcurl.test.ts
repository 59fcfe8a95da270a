// grpcurl, which learns the contracts by server reflection. Built by Go from test/tools, once.

import { deepEqual, equal, match } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { type Mesh, startMesh } from "../support/mesh-process.js";
import { cacheFolder, missing, run } from "../support/programs.js";

const version = "1.9.3";
const program = join(cacheFolder, `grpcurl-${version}`);
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
    const { code, stdout, stderr } = await run(
      program,
      ["-plaintext", "-max-time", "20", ...args],
      { input },
    );
    equal(code, 0, stderr);
    return stdout;
  };
  const addressOf = (url: string): string => new URL(url).host;

  test("lists the services of every server", async () => {
    const servers = { gateway: mesh.gateway, ...mesh.roles };
    for (const [role, { url }] of Object.entries(servers)) {
      const own = `arrowmesh.${role}.v1.${role[0]?.toUpperCase()}${role.slice(1)}Service`;
      const listed = (await grpcurl([addressOf(url), "list"])).trim().split("\n");
      deepEqual(listed, [own, "grpc.health.v1.Health", ...reflection]);
    }
  });

  test("describes a message with its comments' fields", async () => {
    const text = await grpcurl([
      addressOf(mesh.url),
      "describe",
      "arrowmesh.gateway.v1.EmbedRequest",
    ]);
    match(text, /repeated string inputs = 2;/);
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
      const unknown = await run(program, [
        "-plaintext",
        "-d",
        '{"service":"x"}',
        address,
        "grpc.health.v1.Health/Check",
      ]);
      match(unknown.stderr, /NotFound/);
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

  test("shows why a call is refused", async () => {
    const args = ["-plaintext", "-d", '{"inputs":[""]}', addressOf(mesh.url)];
    const { stderr } = await run(program, [...args, "arrowmesh.gateway.v1.GatewayService/Embed"]);
    match(stderr, /InvalidArgument/);
    match(stderr, /"reason": "EMPTY"/);
    match(stderr, /"field": "inputs\[0\]"/);
  });
});

async function buildOnce(): Promise<void> {
  if (existsSync(program)) return;
  const tool = "github.com/fullstorydev/grpcurl/cmd/grpcurl";
  const ldflags = `-X main.version=${version}`;
  const cwd = join(packageRoot, "test/tools");
  const built = await run("go", ["build", "-ldflags", ldflags, "-o", program, tool], {
    cwd,
    msMax: 360_000,
  });
  equal(built.code, 0, built.stderr);
}
