// curl, over HTTP/1.1 and cleartext HTTP/2.

import { deepEqual, equal, match } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Mesh, startMesh } from "../support/mesh-process.js";
import { missing, run } from "../support/programs.js";

const json = ["-H", "content-type: application/json"] as const;

describe("curl", { timeout: 120_000, skip: missing("curl") }, () => {
  let mesh: Mesh;
  before(async () => {
    mesh = await startMesh("one");
  });
  after(() => mesh.stop());

  const curl = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run("curl", ["-sS", "--max-time", "20", ...args]);
    equal(code, 0, stderr);
    return stdout;
  };

  for (const version of ["--http1.1", "--http2-prior-knowledge"]) {
    test(`embeds with ${version}`, async () => {
      const body = JSON.stringify({ inputs: ["a", "b"] });
      const answer = await curl(version, "-d", body, ...json, `${mesh.url}/embed`);
      deepEqual(
        (JSON.parse(answer) as number[][]).map(({ length }) => length),
        [384, 384],
      );
    });

    test(`speaks OpenAI's JSON with ${version}`, async () => {
      const body = JSON.stringify({ input: "a" });
      const answer = await curl(version, "-d", body, ...json, `${mesh.url}/v1/embeddings`);
      equal((JSON.parse(answer) as { object: string }).object, "list");
    });

    test(`asks for health, readiness, facts and metrics with ${version}`, async () => {
      equal(await curl(version, `${mesh.url}/health`), "");
      equal(await curl(version, `${mesh.url}/ready`), '{"status":"ready"}');
      match(await curl(version, `${mesh.url}/info`), /"max_input_length":256/);
      match(await curl(version, `${mesh.url}/metrics`), /^# HELP arrowmesh_/m);
    });
  }

  test("calls Connect by POST and by GET", async () => {
    const url = `${mesh.url}/arrowmesh.gateway.v1.GatewayService/Embed`;
    const message = JSON.stringify({ inputs: ["a"], dimensions: 2 });
    const byPost = await curl("-d", message, ...json, url);
    const query = ["connect=v1", "encoding=json", `message=${message}`];
    const byGet = await curl("-G", ...query.flatMap((part) => ["--data-urlencode", part]), url);
    deepEqual(JSON.parse(byGet), JSON.parse(byPost));
  });
});
