import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { callContext } from "../../../test/support/call-context.js";
import { usageOf } from "../../../test/support/usage.js";
import type { Embed } from "./embed.js";
import { createFakePath, order } from "./fake-peers.js";
import { createZeroShot } from "./zero-shot.js";

/** Unit vectors by what a text speaks of, in degrees. */
const degrees: Readonly<Record<string, number>> = { goal: 0, sport: 20, money: 90, "no goal": 180 };
const asked: string[] = [];

const embed: Embed = async ({ inputs }) => {
  const texts = inputs.map(String);
  asked.push(...texts);
  const vectors = texts.map((text) => {
    const name = Object.keys(degrees).findLast((topic) => text.includes(topic)) ?? "";
    const angle = ((degrees[name] ?? 45) * Math.PI) / 180;
    return Float32Array.of(Math.cos(angle), Math.sin(angle));
  });
  const usage = usageOf(texts.map(() => 3));
  return { dimensions: 2, vectors, areRemembered: false, usage };
};

const zeroShot = createZeroShot(embed);
const goal = {
  ...order,
  inputs: ["goal"],
  labels: ["money", "sport"],
  template: "It is about {}.",
  isMultiLabel: false,
};

test("labels share the score of 1, the nearest first", async () => {
  asked.length = 0;
  const { predictions, usage } = await zeroShot(
    { ...goal, inputs: ["goal", "money"] },
    callContext(),
  );
  deepEqual(asked, ["goal", "money", "It is about money.", "It is about sport."]);
  equal(usage.tokenCounts.length, 4);
  const labels = predictions.map((scored) => scored.map(({ label }) => label));
  deepEqual(labels, [
    ["sport", "money"],
    ["money", "sport"],
  ]);
  for (const scored of predictions) {
    const total = scored.reduce((sum, { score }) => sum + score, 0);
    ok(Math.abs(total - 1) < 1e-12);
  }
});

test("with several labels allowed, each score is the cosine of its own, never below 0", async () => {
  const order = { ...goal, labels: ["no goal", "money", "sport"], isMultiLabel: true };
  const { predictions } = await zeroShot(order, callContext());
  const scores = predictions[0]?.map(({ label, score }) => [label, Math.round(score * 100)]);
  deepEqual(scores, [
    ["sport", 94],
    ["money", 0],
    ["no goal", 0],
  ]);
});

test("a label's own braces and dollar signs stay as they are", async () => {
  asked.length = 0;
  await zeroShot({ ...goal, labels: ["$& {}"] }, callContext());
  deepEqual(asked, ["goal", "It is about $& {}."]);
});

test("no label, an empty one, a template without a place and too many texts are refused", async () => {
  const { operations } = createFakePath();
  const cases: [object, RegExp][] = [
    [{ inputs: [] }, /`inputs` cannot be empty/],
    [{ labels: [] }, /`labels` cannot be empty/],
    [{ labels: ["a", ""] }, /cannot be empty/],
    [{ labels: ["\ud800"] }, /well-formed/],
    [{ template: "It is about." }, /no place/],
    [{ labels: ["a", "b", "c", "d"] }, /batch size 5 > maximum allowed batch size 4/],
  ];
  for (const [over, message] of cases) {
    await rejects(operations.zeroShot({ ...goal, ...over }, callContext()), { message });
  }
});
