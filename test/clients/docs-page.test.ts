// The page of the OpenAPI document in a real Chromium: it shows every route, and a person can try them.

import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import { chromium, type Page } from "playwright-core";
import { startMesh } from "../support/mesh-process.js";
import { missing } from "../support/programs.js";
import { quiet } from "./chromium.js";

test("a person reads the routes and tries one", {
  timeout: 120_000,
  skip: missing("chromium"),
}, async () => {
  const mesh = await startMesh("one");
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: quiet });
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    const strangers: string[] = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${mesh.url}/`) && !request.url().startsWith("data:")) {
        strangers.push(request.url());
      }
    });
    await page.goto(`${mesh.url}/docs`);
    equal(await page.title(), "Arrowmesh API");
    const answer = await (await fetch(`${mesh.url}/openapi.json`)).json();
    // Any JSON; only the number of its operations counts here.
    const { paths } = answer as { readonly paths: Readonly<Record<string, object>> };
    const operations = Object.values(paths).flatMap((path) => Object.keys(path));
    await page
      .locator(".opblock")
      .nth(operations.length - 1)
      .waitFor();
    equal(await page.locator(".opblock").count(), operations.length);

    match(await tryOut(page, "postEmbed"), /^\[\s*\[\s*-?0\.\d+,/);
    match(await tryOut(page, "getInfo"), /"model_id": "sentence-transformers\/all-MiniLM-L6-v2"/);
    deepEqual([complaints, strangers], [[], []]);
  } finally {
    await browser.close();
    await mesh.stop();
  }
});

/** Opens an operation, sends its example, and returns the body of the answer. */
async function tryOut(page: Page, operationId: string): Promise<string> {
  const operation = page.locator(`.opblock[id$="-${operationId}"]`);
  await operation.locator(".opblock-summary-control").click();
  await operation.getByRole("button", { name: "Try it out" }).click();
  await operation.getByRole("button", { name: "Execute" }).click();
  const answer = operation.locator(".live-responses-table tr.response").first();
  await answer.waitFor();
  equal(await answer.locator(".response-col_status").first().innerText(), "200");
  return await answer.locator(".highlight-code code").first().innerText();
}
