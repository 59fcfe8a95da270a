import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../errors.js";
import { FakeClock } from "../fake-clock.js";
import { type Retry, type RetryDeps, withRetries } from "./retry.js";

function depsOf(more: Partial<RetryDeps> = {}) {
  const clock = new FakeClock();
  const retries: Retry[] = [];
  const deps: RetryDeps = {
    config: { retriesMax: 3, retryWaitMsMin: 100, retryWaitMsMax: 300 },
    clock,
    random: () => 0.5,
    signal: new AbortController().signal,
    onRetry: (retry) => retries.push(retry),
    ...more,
  };
  return { deps, clock, retries };
}

async function passTime(clock: FakeClock): Promise<void> {
  for (let step = 1; step <= 20; step += 1) await clock.moveTo(step * 100);
}

test("what passes is retried with growing waits, up to the bound", async () => {
  const { deps, clock, retries } = depsOf();
  let attempts = 0;
  const failed = rejects(
    withRetries(deps, async () => {
      attempts += 1;
      throw new MeshError("unavailable", "down");
    }),
    /down/,
  );
  await new Promise(setImmediate);
  await passTime(clock);
  await failed;
  equal(attempts, 4);
  deepEqual(
    retries.map(({ waitMs }) => waitMs),
    [100, 200, 300],
  );
});

test("the hub's own wish is followed as far as the bound", async () => {
  const { deps, clock, retries } = depsOf();
  const waits = [250, 3_600_000];
  const done = withRetries(deps, async () => {
    const retryAfterMs = waits.shift();
    if (retryAfterMs !== undefined) throw new MeshError("limited", "slow down", { retryAfterMs });
    return "done";
  });
  await new Promise(setImmediate);
  await passTime(clock);
  equal(await done, "done");
  deepEqual(
    retries.map(({ waitMs }) => waitMs),
    [250, 300],
  );
});

test("a refusal and a bug are not retried", async () => {
  const { deps, retries } = depsOf();
  for (const error of [new MeshError("not_found", "gone"), new TypeError("bug")]) {
    await rejects(
      withRetries(deps, () => Promise.reject(error)),
      error,
    );
  }
  equal(retries.length, 0);
});

test("a wait ends when the pull does", async () => {
  const end = new AbortController();
  const { deps } = depsOf({ signal: end.signal });
  const failed = rejects(
    withRetries(deps, () => Promise.reject(new MeshError("unavailable", "down"))),
    /enough/,
  );
  await new Promise(setImmediate);
  end.abort(new Error("enough"));
  await failed;
});
