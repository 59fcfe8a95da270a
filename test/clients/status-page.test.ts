// The status page in a real Chromium: it draws what happens, asks for the key, and begins traces.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Mesh, startMesh } from "../support/mesh-process.js";
import { startCollector } from "../support/otlp-collector.js";
import { missing } from "../support/programs.js";
import { quiet } from "./chromium.js";

const waitMsMax = 30_000;

describe("the status page", { timeout: 240_000, skip: missing("chromium") }, () => {
  let mesh: Mesh;
  let browser: Browser;
  before(async () => {
    browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: quiet });
    mesh = await startMesh("one", { JAEGER_UI_URL: "https://jaeger.example" });
  });
  after(async () => {
    await browser.close();
    await mesh.stop();
  });

  test("is quiet and in words while nothing happens, then draws what does", async () => {
    const { page, complaints, strangers } = await open(browser, mesh.url);
    await page.getByText("All is well").waitFor();
    equal(await page.title(), "Arrowmesh status");
    await page.getByText("No requests yet. Send one above.").waitFor();
    equal(await headline(page, "Requests"), "0/s");

    await page.getByLabel("Embed a text").fill("a text that starts in a page");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("384 numbers after").waitFor();
    await page.getByRole("rowheader", { name: "POST /embed" }).waitFor();
    const drawn = page.locator(".chart", { hasText: "Latency" }).locator("path.line").first();
    await page.waitForFunction(
      (path) => (path?.getAttribute("d") ?? "").split(/[ML]/).length > 3,
      await drawn.elementHandle(),
      { timeout: waitMsMax },
    );
    deepEqual([complaints, strangers], [[], []]);
    await page.close();
  });

  test("begins the trace of what it sends, and says where it is to be found", async () => {
    const { page, complaints } = await open(browser, mesh.url);
    await page.getByText("All is well").waitFor();
    const [request] = await Promise.all([
      page.waitForRequest(`${mesh.url}/embed`),
      page.getByRole("button", { name: "Send" }).click(),
    ]);
    const traceId = await page.locator("#trace-id").innerText();
    match(request.headers().traceparent ?? "", new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    const answer = await request.response();
    equal(await page.locator("#request-id").innerText(), answer?.headers()["x-request-id"]);
    const link = page.getByRole("link", { name: "Open it in Jaeger" });
    equal(await link.getAttribute("href"), `https://jaeger.example/trace/${traceId}`);
    const poll = await page.waitForRequest(`${mesh.url}/status`);
    match(poll.headers().traceparent ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    deepEqual(complaints, []);
    await page.close();
  });

  test("tells refusals in the words of the gateway", async () => {
    const { page } = await open(browser, mesh.url);
    await page.getByText("All is well").waitFor();
    await page.getByLabel("Embed a text").fill(" ");
    await page.route("**/embed", (route) =>
      route.continue({ postData: JSON.stringify({ inputs: "" }) }),
    );
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText(/The gateway answers 400: .*empty/i).waitFor();
    await page.close();
  });

  test("is read with the keyboard, a moment at a time", async () => {
    const { page } = await open(browser, mesh.url);
    await page.getByText("All is well").waitFor();
    const chart = page.getByRole("slider", { name: /^Requests/ });
    await chart.focus();
    match((await chart.getAttribute("aria-valuetext")) ?? "", /^now: answered/);
    await page.waitForTimeout(2_500);
    await page.keyboard.press("ArrowLeft");
    match((await chart.getAttribute("aria-valuetext")) ?? "", /^[12] s ago: answered/);
    await page.close();
  });

  test("asks nobody while it is paused, and goes on afterwards", async () => {
    const { page } = await open(browser, mesh.url);
    await page.getByText("All is well").waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.waitForTimeout(500);
    let polls = 0;
    page.on("request", () => {
      polls += 1;
    });
    await page.waitForTimeout(3_000);
    equal(polls, 0);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.waitForRequest(`${mesh.url}/status`);
    await page.close();
  });

  test("fits a phone", async () => {
    const { page } = await open(browser, mesh.url, { width: 360, height: 700 });
    await page.getByText("All is well").waitFor();
    ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
    await page.close();
  });

  test("says in words that the gateway is away, and recovers", async () => {
    const { page } = await open(browser, mesh.url);
    await page.getByText("All is well").waitFor();
    await page.route("**/status", (route) => route.abort());
    await page
      .getByText(/The gateway does not answer; asking again in \d+ s/)
      .first()
      .waitFor();
    await page.unroute("**/status");
    await page.getByText("All is well").waitFor({ timeout: waitMsMax });
    await page.close();
  });
});

test("a request that begins in the page is one trace through all processes", {
  timeout: 120_000,
  skip: missing("chromium"),
}, async (t) => {
  const collector = await startCollector();
  t.after(() => collector.close());
  // Only what the page asks for is kept.
  const env = { ...collector.env, OTEL_TRACES_SAMPLER: "parentbased_always_off" };
  const mesh = await startMesh("four", env);
  t.after(() => mesh.stop());
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: quiet });
  t.after(() => browser.close());
  const { page } = await open(browser, mesh.url);
  await page.getByText("in 4 processes").waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  const traceId = await page.locator("#trace-id").innerText();
  const names = () =>
    collector.spans.filter((span) => span.traceId === traceId).map(({ name }) => name);
  const deadline = Date.now() + waitMsMax;
  const isWhole = () =>
    ["POST /embed", ...hops].every((hop) => names().some((name) => name.includes(hop)));
  while (!isWhole()) {
    ok(Date.now() < deadline, names().join());
    await page.waitForTimeout(100);
  }
  const polls = collector.spans.filter(({ name }) => name === "GET /status");
  deepEqual(polls, []);
});

/** One call to each role. */
const hops = ["RatelimitService/", "TokenizerService/", "InferenceService/"];

test("the status page asks for the key and keeps it in its tab", {
  timeout: 120_000,
  skip: missing("chromium"),
}, async (t) => {
  const mesh = await startMesh("one", { API_KEY: "sesame" });
  t.after(() => mesh.stop());
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: quiet });
  t.after(() => browser.close());
  const { page, strangers } = await open(browser, mesh.url);
  const key = page.getByLabel("API key");
  await key.fill("sesam");
  await page.getByRole("button", { name: "Show the status" }).click();
  await page.getByText("The gateway does not know this key.").waitFor();
  await key.fill("sesame");
  await page.keyboard.press("Enter");
  await page.getByText("All is well").waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("384 numbers after").waitFor();
  equal(new URL(page.url()).search, "");
  deepEqual(
    await page.evaluate(() => [localStorage.length, document.cookie, sessionStorage.length]),
    [0, "", 1],
  );
  await page.reload();
  await page.getByText("All is well").waitFor();
  await page.getByRole("button", { name: "Forget the key" }).click();
  await key.waitFor();
  equal(await page.evaluate(() => sessionStorage.length), 0);
  equal(await page.getByText("All is well").isVisible(), false);
  deepEqual(strangers, []);
});

/** Opens the page and listens for what it must not do. A refused key is the browser's own line in the console. */
async function open(
  browser: Browser,
  url: string,
  viewport = { width: 1_280, height: 900 },
): Promise<{ page: Page; complaints: string[]; strangers: string[] }> {
  const page = await browser.newPage({ viewport });
  page.setDefaultTimeout(waitMsMax);
  const complaints: string[] = [];
  const strangers: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`)) strangers.push(request.url());
    if (request.url().includes("sesame")) strangers.push(request.url());
  });
  await page.goto(`${url}/status`);
  return { page, complaints, strangers };
}

async function headline(page: Page, title: string): Promise<string> {
  const card = page.locator(".chart", { has: page.getByRole("heading", { name: title }) });
  return (await card.locator(".headline").innerText()).replace(/\s/g, "");
}
