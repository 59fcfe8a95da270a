import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, systemClock } from "../clock.js";
import { withLock } from "./folder-lock.js";

const folder = mkdtempSync(join(tmpdir(), "arrowmesh-lock-"));
after(() => rmSync(folder, { recursive: true }));

function depsOf(signal = new AbortController().signal) {
  const waits: string[] = [];
  return { waits, clock: systemClock, signal, onWait: () => waits.push("wait") };
}

test("one holder at a time, and nothing left behind", async () => {
  const path = join(folder, "busy");
  let holders = 0;
  const all = Array.from({ length: 4 }, async () => {
    const deps = depsOf();
    await withLock(path, deps, async (isOurs) => {
      holders += 1;
      equal(holders, 1);
      ok(await isOurs());
      await sleep(20);
      holders -= 1;
    });
    return deps.waits.length;
  });
  const waits = await Promise.all(all);
  equal(waits.filter((count) => count === 0).length, 1);
  ok(waits.every((count) => count <= 1));
  equal(existsSync(path), false);
});

/** A second takes a twentieth of it. */
const fastClock: Clock = {
  ...systemClock,
  nowMs: () => systemClock.nowMs() * 20,
  at: (atMs, then) => systemClock.at(atMs / 20, then),
};

for (const [when, offsetMs] of [
  ["long ago", -1e9],
  ["now", 0],
  ["by a clock that is ahead", 1e9],
] as const) {
  test(`the lock of a dead holder is taken over, touched ${when}`, async () => {
    const path = join(folder, `dead ${when}`);
    writeFileSync(path, "dead");
    const touchedAt = new Date(Date.now() + offsetMs);
    utimesSync(path, touchedAt, touchedAt);
    const deps = { ...depsOf(), clock: fastClock };
    const before = Date.now();
    equal(await withLock(path, deps, async () => "done"), "done");
    ok(Date.now() - before >= 500, "not before it was watched for long enough");
    deepEqual(deps.waits, ["wait"]);
    equal(existsSync(path), false);
  });
}

test("the lock of a living holder is waited for", async () => {
  const path = join(folder, "living");
  const end = new AbortController();
  const held = withLock(path, { ...depsOf(), clock: fastClock }, async (isOurs) => {
    await sleep(1_200);
    ok(await isOurs());
    end.abort(new Error("held"));
  });
  await sleep(20);
  const waiting = withLock(path, { ...depsOf(end.signal), clock: fastClock }, async () => "mine");
  await rejects(waiting, /held/);
  await held;
});

test("a holder keeps its lock fresh, and notices that it lost it", async () => {
  const path = join(folder, "fresh");
  await withLock(path, depsOf(), async (isOurs) => {
    const before = statSync(path).mtimeMs;
    await sleep(2_300);
    ok(statSync(path).mtimeMs > before);
    writeFileSync(path, "another");
    equal(await isOurs(), false);
  });
  ok(existsSync(path), "another's lock is not removed");
});

test("waiting ends with its signal", async () => {
  const path = join(folder, "held");
  writeFileSync(path, "another");
  const signal = AbortSignal.timeout(50);
  await rejects(
    withLock(path, depsOf(signal), async () => "done"),
    { name: "TimeoutError" },
  );
});
