import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { systemClock } from "../../../lib/clock.js";
import { createOpenEntry } from "../../../lib/rpc/entry.js";
import { createApp } from "../http/app.js";
import { addOpenApiRoutes } from "./routes.js";

async function openApp(t: TestContext) {
  const app = createApp({
    bodyBytesMax: 1_000,
    compressBytesMin: 16_384,
    interceptors: [],
    openEntry: createOpenEntry(systemClock, { unaryMsMax: 5_000, streamMsMax: 5_000 }),
    createServer,
  });
  t.after(() => app.close());
  addOpenApiRoutes(app, { version: "1.2.3", isPublicCall: undefined });
  app.get("/late", { schema: { summary: "Late" } }, async () => "");
  app.get("/hidden", { schema: { hide: true } }, async () => "");
  await app.register(async (scope) => {
    scope.get("/scoped", async () => "");
  });
  await app.ready();
  return app;
}

test("every route is in the document but those that hide", async (t) => {
  const app = await openApp(t);
  const { openapi, info, paths } = (await app.inject("/openapi.json")).json();
  deepEqual([openapi, info.version], ["3.1.0", "1.2.3"]);
  deepEqual(Object.keys(paths), [
    ...["/openapi.json", "/api-doc/openapi.json", "/proto", "/proto/{path}", "/late", "/scoped"],
  ]);
  const alias = await app.inject("/api-doc/openapi.json");
  deepEqual(alias.json().paths, paths);
});

test("who has the document, or a contract, already is told so", async (t) => {
  const app = await openApp(t);
  for (const url of ["/openapi.json", "/proto", "/proto/tei/v1/tei.proto"]) {
    const { etag } = (await app.inject(url)).headers;
    const again = await app.inject({ url, headers: { "if-none-match": `${etag}` } });
    deepEqual([again.statusCode, again.body], [304, ""]);
  }
});

test("the page has its own scripts and may load nothing from elsewhere", async (t) => {
  const app = await openApp(t);
  for (const url of ["/docs", "/docs/"]) {
    const page = await app.inject(url);
    equal(page.statusCode, 200);
    match(String(page.headers["content-security-policy"]), /default-src 'none'; script-src 'self'/);
    doesNotMatch(page.body, /(?:src|href)="(?:https?:)?\/\//);
    for (const [, link = ""] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const asset = await app.inject(new URL(link, `http://localhost${url}`).pathname);
      equal(asset.statusCode, 200, link);
    }
  }
});

test("the contracts are listed and downloaded", async (t) => {
  const app = await openApp(t);
  const index = await app.inject("/proto");
  match(String(index.headers["content-type"]), /^text\/html/);
  const links = [...index.body.matchAll(/href="(\/proto\/[^"]+)"/g)].map(([, link]) => `${link}`);
  for (const link of links) equal((await app.inject(link)).statusCode, 200, link);
  const contract = await app.inject("/proto/arrowmesh/gateway/v1/gateway.proto");
  equal(contract.headers["content-type"], "text/plain; charset=utf-8");
  match(contract.body, /^service GatewayService \{$/m);
  const all = await app.inject("/proto/contracts.binpb");
  const { file } = fromBinary(FileDescriptorSetSchema, all.rawPayload);
  const names = new Set(file.map(({ name }) => `/proto/${name}`));
  deepEqual(
    links.filter((link) => !names.has(link)),
    ["/proto/contracts.binpb"],
  );
});

test("nothing but a contract is downloaded", async (t) => {
  const app = await openApp(t);
  for (const path of [
    ...[
      "../package.json",
      "..%2fpackage.json",
      "%2e%2e/package.json",
      "arrowmesh/../../package.json",
    ],
    ...["/etc/passwd", "%2fetc%2fpasswd", "arrowmesh", "none.proto", "__proto__", "a%00b"],
  ]) {
    const answer = await app.inject(`/proto/${path}`);
    equal(answer.statusCode, 404, path);
    doesNotMatch(answer.body, /arrowmesh"|root:/);
  }
});
