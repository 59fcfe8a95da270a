import { deepEqual, rejects } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../../lib/errors.js";
import { callContext } from "../../../test/support/call-context.js";
import { createFakePath, order } from "./fake-peers.js";

test("each request for a model is counted once, by what became of it", async () => {
  const { operations, counted, peers } = createFakePath();
  await operations.embed(order, callContext());
  await operations.embed(order, callContext());
  await rejects(operations.embed({ ...order, model: "evil" }, callContext()));
  await rejects(operations.embed({ ...order, inputs: ["a", "b", "c", "d", "e"] }, callContext()));
  peers.refuse = "tokens";
  await rejects(operations.embed({ ...order, inputs: ["new"] }, callContext()));
  deepEqual(counted, [
    "embed of m: 3,2",
    "embed of m: 3,2, remembered",
    // What the caller wrote is no model of ours.
    "embed of : 2 of 4 failed, not_found",
    "embed of m: 5 of 4 failed, invalid",
    "embed of m: 1 of 4 failed, limited",
  ]);
});

test("a caller who leaves is counted once, as a failure, whatever the work comes to", async () => {
  const { operations, counted, peers } = createFakePath();
  let release = () => {};
  peers.held = new Promise((resolve) => {
    release = resolve;
  });
  const leaver = new AbortController();
  const call = operations.embed(order, callContext({ signal: leaver.signal }));
  await new Promise(setImmediate);
  leaver.abort(new MeshError("cancelled", "left"));
  await rejects(call, { fault: "cancelled" });
  release();
  await new Promise(setImmediate);
  deepEqual(counted, ["embed of m: 2 of 4 failed, cancelled"]);
});
