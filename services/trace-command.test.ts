import { equal, match } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { packageRoot } from "../lib/package-root.js";
import { freePort } from "../test/support/free-port.js";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const answer = {
  data: [
    {
      traceID: traceId,
      spans: [
        {
          traceID: traceId,
          spanID: "b7ad6b7169203331",
          operationName: "POST /embed",
          references: [],
          startTime: 1_767_323_045_678_000,
          duration: 12_340,
          tags: [{ key: "http.response.status_code", type: "int64", value: 200 }],
          processID: "p1",
        },
      ],
      processes: { p1: { serviceName: "arrowmesh-gateway" } },
    },
  ],
};

test("a trace is printed as a tree, without colours where no terminal reads", async (t) => {
  const url = await serve(t, (_request, response) => response.end(JSON.stringify(answer)));
  for (const [args, env] of [
    [[traceId, "--jaeger", url], {}],
    [[`00-${traceId}-b7ad6b7169203331-01`], { JAEGER_QUERY_URL: url }],
  ] as const) {
    const { code, stdout, stderr } = await run(args, env);
    equal(code, 0, stderr);
    match(stdout, /^trace 0af7651916cd43dd8448eb211c80319c\n2026-01-02T03:04:05\.678Z, 12\.34 ms/);
    match(stdout, /\narrowmesh-gateway {2}POST \/embed +0\.00 +12\.34 +█{24} {2}status=200/);
    equal(stdout.includes("\u001b"), false);
  }
});

test("--json prints what a program reads", async (t) => {
  const url = await serve(t, (_request, response) => response.end(JSON.stringify(answer)));
  const { code, stdout } = await run([traceId, "--json"], { JAEGER_QUERY_URL: url });
  equal(code, 0);
  equal(JSON.parse(stdout).spans[0].name, "POST /embed");
});

test("what cannot be shown is told in one line, with exit code 1", async (t) => {
  const url = await serve(t, (_request, response) => {
    response.writeHead(404).end('{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}');
  });
  const { host } = new URL(url);
  const unserved = `http://127.0.0.1:${await freePort()}`;
  const silent = await serve(t, () => undefined);
  const unconfigured =
    "bad configuration\n  JAEGER_QUERY_URL: expected a URL with http: or https:\n";
  for (const [args, env, expected] of [
    [[traceId], { JAEGER_QUERY_URL: url }, `Jaeger at ${host} has no trace ${traceId}\n`],
    [
      ["xyz", "--jaeger", url],
      {},
      '"xyz" is no trace id: expected up to 32 hexadecimal digits, not all 0\n',
    ],
    [
      [traceId, "--jaeger", unserved],
      {},
      `Jaeger at ${unserved}: connect ECONNREFUSED ${new URL(unserved).host}\n`,
    ],
    [
      [traceId, "--jaeger", silent],
      { JAEGER_QUERY_TIMEOUT_MS: "300" },
      `Jaeger at ${silent}: no answer within 300 ms\n`,
    ],
    [[traceId], { JAEGER_QUERY_URL: "ftp://x" }, unconfigured],
    [
      [traceId, "--jaeger", "x"],
      {},
      "error: option '--jaeger <url>' argument 'x' is invalid. expected a URL with http: or https:\n",
    ],
  ] as const) {
    const { code, stdout, stderr } = await run(args, env);
    equal(stderr, expected);
    equal(stdout, "");
    equal(code, 1);
  }
});

/** Serves on this machine what stands for Jaeger. */
async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv) {
  const main = join(packageRoot, "dist/services/main.js");
  const child = spawn(process.execPath, [main, "trace", ...args], {
    cwd: packageRoot,
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await ended;
  return { code: code as number | null, stdout, stderr };
}
