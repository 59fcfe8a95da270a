import { equal } from "node:assert/strict";
import { test } from "node:test";
import { rewriteToPage } from "./page-address.js";

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

test("a browser that goes to /status gets the page", () => {
  for (const url of ["/status", "/status/", "/status?from=mail"]) {
    equal(rewriteToPage({ url, headers: { accept: browser } }), "/status/page");
  }
});

test("everybody else gets what they ask for", () => {
  equal(rewriteToPage({ url: "/status", headers: {} }), "/status");
  equal(rewriteToPage({ url: "/status", headers: { accept: "*/*" } }), "/status");
  equal(rewriteToPage({ url: "/status", headers: { accept: "application/json" } }), "/status");
  for (const url of ["/docs", "/statuses", "/status/page/main.js", "/"]) {
    equal(rewriteToPage({ url, headers: { accept: browser } }), url);
  }
});
