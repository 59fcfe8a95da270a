import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../../lib/errors.js";
import { callContext } from "../../../test/support/call-context.js";
import { createFakePath, order } from "./fake-peers.js";

/** The path with its embedding at hand. */
function open(options: Parameters<typeof createFakePath>[0] = {}) {
  const path = createFakePath(options);
  return { ...path, embed: path.operations.embed };
}

test("inputs that are all remembered cost no tokens, unless that is the policy", async () => {
  for (const areCachedTokensCharged of [false, true]) {
    const { peers, limiter, embed } = open({ areCachedTokensCharged });
    await embed(order, callContext());
    await limiter.settled();
    await embed(order, callContext());
    await limiter.settled();
    const settled = areCachedTokensCharged ? "commit" : "release";
    deepEqual(peers.asked.slice(-3), ["encode 2 of m@1", "reserve 5", settled]);
  }
});

test("an input that stands in a request twice costs its tokens once", async () => {
  const { peers, limiter, embed } = open();
  await embed({ ...order, inputs: ["abc", "de", "abc"] }, callContext());
  await limiter.settled();
  deepEqual(peers.asked.slice(-3), ["reserve 8", "embed 2 of m@1", "commit 5"]);
});

test("inputs that two requests want at once are charged to the one that has them computed", async () => {
  const { peers, limiter, embed } = open();
  await embed({ ...order, inputs: ["first"] }, callContext());
  await limiter.settled();
  peers.asked.length = 0;
  let release = () => {};
  peers.held = new Promise((resolve) => {
    release = resolve;
  });
  const calls = [order, { ...order, inputs: ["de", "abc", "fghi"] }].map((one) =>
    embed(one, callContext()),
  );
  await turns();
  release();
  await Promise.all(calls);
  await limiter.settled();
  const amounts = peers.asked.filter((what) => /reserve|embed|commit/.test(what));
  deepEqual(amounts.toSorted(), [
    ...["commit", "commit 4", "embed 1 of m@1", "embed 2 of m@1"],
    ...["reserve 5", "reserve 9"],
  ]);
});

test("a slot is held while the work lasts, and given back however it ends", async () => {
  const { peers, limiter, embed } = open();
  peers.isLeasing = true;
  await embed(order, callContext({ deadlineAtMs: performance.now() + 10_000 }));
  await limiter.settled();
  equal(peers.asked.at(-1), "release the slot");
  const { id = "", ms = 0 } = peers.leases[0] ?? {};
  ok(id.length > 0 && id.length <= 64);
  ok(ms > 10_000 && ms <= 15_001, `${ms} ms`);

  await rejects(embed({ ...order, inputs: [] }, callContext()), { fault: "empty" });
  peers.fail = () => new MeshError("unavailable", "down");
  await rejects(embed({ ...order, inputs: ["x"] }, callContext()), { fault: "unavailable" });
  peers.held = new Promise(() => {});
  const leaver = new AbortController();
  const left = embed({ ...order, inputs: ["y"] }, callContext({ signal: leaver.signal }));
  await turns();
  leaver.abort(new MeshError("cancelled", "left"));
  await rejects(left, { message: "left" });
  await limiter.settled();
  equal(peers.asked.filter((what) => what === "release the slot").length, 4);
});

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise(setImmediate);
}
