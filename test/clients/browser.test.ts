// A connect-web client in a real Chromium, on a page of another origin.

import { deepEqual } from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { packageRoot } from "../../lib/package-root.js";
import { startMesh } from "../support/mesh-process.js";
import { missing } from "../support/programs.js";
import type { Outcome } from "./browser-page.js";
import { quiet } from "./chromium.js";

test("connect-web calls the mesh from a page", {
  timeout: 120_000,
  skip: missing("chromium"),
}, async () => {
  const mesh = await startMesh("one");
  const page = await servePage(await bundle());
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: quiet });
  try {
    const tab = await browser.newPage();
    await tab.goto(`${page.url}/?mesh=${encodeURIComponent(mesh.url)}`);
    const outcomes: unknown = await tab.evaluate("window.outcomes");
    const expected: Outcome = { dimensions: 384, code: Code.InvalidArgument, reason: "EMPTY" };
    deepEqual(outcomes, {
      "Connect with JSON": expected,
      "Connect with Protobuf": expected,
      "Connect by GET": expected,
      "gRPC-Web": expected,
    });
  } finally {
    await browser.close();
    page.server.close();
    page.server.closeAllConnections();
    await mesh.stop();
  }
});

test("a page of a strange origin gets no answer", { timeout: 120_000 }, async () => {
  const mesh = await startMesh("one");
  try {
    const headers = { origin: "https://example.org", "access-control-request-method": "POST" };
    const response = await fetch(`${mesh.url}/embed`, { method: "OPTIONS", headers });
    deepEqual(response.headers.get("access-control-allow-origin"), null);
  } finally {
    await mesh.stop();
  }
});

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(packageRoot, "dist/test/clients/browser-page.js")],
    bundle: true,
    format: "esm",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

async function servePage(script: string): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(
      isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>',
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { server, url: `http://127.0.0.1:${port}` };
}
