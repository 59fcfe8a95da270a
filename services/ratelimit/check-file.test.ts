import { deepEqual, equal, rejects } from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkFile } from "./check-file.js";

const folder = mkdtempSync(join(tmpdir(), "arrowmesh-check-"));
test.after(() => rmSync(folder, { recursive: true }));

test("a policy is told limit by limit, with the environment in it", async () => {
  const path = write(`limits:
  - { name: a, counts: requests, per: [ip, model], quota: "\${A:-60}", window: 1m, lease: 20, when: { tier: [free, "x*"] } }
  - { name: b, counts: tokens, per: [], quota: 7, window: 2d, burst: 3, exempt_loopback: true, shadow: true }
  - { name: c, counts: tokens, per: [], quota: 7, window: 90s, algorithm: sliding_window, on_store_failure: allow }
  - { name: d, counts: concurrent_requests, per: [], quota: 7 }
`);
  const { limits, table } = await checkFile(path, { A: "120" });
  equal(limits, 4);
  deepEqual(cells(table), [
    ["name", "counts", "per", "quota", "when", "except", "without store", "lease", "mode"],
    ["a", "requests", "ip+model", "120 per 1m, burst 120", "tier=free,x*", "degrade", "20"],
    ["b", "tokens", "everyone", "7 per 2d, burst 3", "ip=loopback", "degrade", "shadow"],
    ["c", "tokens", "everyone", "7 per 90s, sliding window", "allow"],
    ["d", "concurrent_requests", "everyone", "7 at once", "degrade"],
  ]);
});

test("a file in envoyproxy/ratelimit's format is told by paths", async () => {
  const path = write(`domain: mongo
descriptors:
  - key: database
    value: users
    rate_limit: { unit: minute, requests_per_unit: 5 }
    descriptors:
      - key: ip
        shadow_mode: true
        rate_limit: { unit: day, requests_per_unit: 6 }
  - key: free
    rate_limit: { unlimited: true }
`);
  const { limits, table } = await checkFile(path, {});
  equal(limits, 3);
  deepEqual(cells(table), [
    ["domain", "limit", "quota", "mode"],
    ["mongo", "database_users", "5 per 1m, fixed window"],
    ["mongo", "database_users.ip", "6 per 1d, fixed window", "shadow"],
    ["mongo", "free", "unlimited"],
  ]);
});

test("a file without limits says nothing more", async () => {
  deepEqual(await checkFile(write("limits: []"), {}), { limits: 0, table: "" });
});

test("mistakes of either kind are told with their line", async () => {
  const ours = write("limits:\n  - {}\n");
  await rejects(checkFile(ours, {}), new RegExp(`^InvalidFiles: ${ours}:2: name: missing`));
  const envoys = write("domain: a\ndescriptors:\n  - value: x\n");
  await rejects(checkFile(envoys, {}), new RegExp(`^InvalidFiles: ${envoys}:3: `));
});

function write(text: string): string {
  const path = join(folder, "limits.yaml");
  writeFileSync(path, text);
  return path;
}

function cells(table: string): string[][] {
  return table
    .trimEnd()
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/));
}
