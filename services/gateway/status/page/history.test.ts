import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  fakeCall,
  fakeHistogram,
  fakeModel,
  fakeProcess,
} from "../../../../test/support/status-json.js";
import { History } from "./history.js";
import type { ProcessJson } from "./status-json.js";

/** A history that hears of these processes once a second. */
function listen(at: (second: number) => readonly ProcessJson[], seconds: number) {
  const history = new History();
  for (let second = 0; second <= seconds; second += 1) {
    history.answered({ processes: at(second), traceUrl: "" }, 10_000 + second * 1_000);
  }
  return { history, reading: history.points.at(-1)?.reading };
}

const uptimeMs = (second: number) => 500_000 + second * 1_000;

test("rates come from the last seconds, not from all that was counted before", () => {
  const { reading } = listen(
    (second) => [
      fakeProcess({
        uptimeMs: uptimeMs(second),
        calls: [
          fakeCall(200, [1_000_000 + second * 20, 0, 0]),
          fakeCall(429, [second * 4, 0, 0]),
          fakeCall(422, [second * 3, 0, 0]),
          fakeCall(503, [0, second, 0]),
        ],
      }),
    ],
    10,
  );
  deepEqual(
    [reading?.answered, reading?.refused, reading?.mistaken, reading?.failed],
    [20, 4, 3, 1],
  );
  equal(reading?.failedShare, 1 / 28);
  ok((reading?.latencyP50Ms ?? 0) < 100, "half were answered in the first bucket");
});

test("what nothing happened for is absent, what is zero is zero", () => {
  const { reading } = listen((second) => [fakeProcess({ uptimeMs: uptimeMs(second) })], 3);
  deepEqual([reading?.answered, reading?.inputs, reading?.allowed], [0, 0, 0]);
  deepEqual(
    [reading?.latencyP99Ms, reading?.failedShare, reading?.batchMean, reading?.rememberedShare],
    [undefined, undefined, undefined, undefined],
  );
});

test("a series that appears counts from zero; a process that appears does not", () => {
  const { reading } = listen((second) => {
    const calls = second < 5 ? [] : [fakeCall(200, [50, 0, 0])];
    const stranger = fakeProcess({
      instanceId: "late",
      uptimeMs: uptimeMs(second),
      calls: [fakeCall(200, [70_000, 0, 0])],
    });
    const own = fakeProcess({ uptimeMs: uptimeMs(second), calls });
    return second < 5 ? [own] : [own, stranger];
  }, 5);
  equal(reading?.answered, 10);
});

test("a process that started again counts from its new beginning", () => {
  const { history, reading } = listen((second) => {
    const isNew = second >= 6;
    const count = isNew ? (second - 6) * 10 : 9_000 + second * 10;
    return [
      fakeProcess({
        instanceId: isNew ? "second" : "first",
        uptimeMs: isNew ? (second - 6) * 1_000 : uptimeMs(second),
        calls: [fakeCall(200, [count, 0, 0])],
      }),
    ];
  }, 20);
  equal(reading?.answered, 10);
  deepEqual(
    history.processes.map(({ instanceId }) => instanceId),
    ["second"],
  );
  ok(history.points.every((point) => (point.reading?.answered ?? 0) >= 0));
});

test("processes are added up, each by its own clock; those that are down count nothing", () => {
  const { reading } = listen(
    (second) => [
      fakeProcess({
        instanceId: "a",
        uptimeMs: uptimeMs(second),
        models: [fakeModel({ tokens: second * 100, paddingTokens: second * 25, queueLength: 3 })],
      }),
      fakeProcess({
        instanceId: "b",
        // It answers every other second, as one of two replicas does.
        uptimeMs: uptimeMs(second - (second % 2)),
        models: [fakeModel({ tokens: (second - (second % 2)) * 200, queueLength: 4 })],
      }),
      fakeProcess({ instanceId: "c", answering: false, models: [fakeModel({ queueLength: 50 })] }),
    ],
    10,
  );
  deepEqual([reading?.tokens, reading?.queueLength], [300, 7]);
  equal(reading?.paddingShare, 25 / 325);
});

test("batches and waits are those of all models of all processes", () => {
  const batchesOf = (name: string, second: number) =>
    fakeModel({
      name,
      batchSequences: { bounds: [1, 2, 4], counts: [0, 0, second, 0], sum: 4 * second },
      queueSeconds: fakeHistogram([second, 0, 0]),
    });
  const { reading } = listen(
    (second) => [
      fakeProcess({
        uptimeMs: uptimeMs(second),
        models: [batchesOf("a", second), batchesOf("b", second * 2)],
      }),
    ],
    8,
  );
  deepEqual([reading?.batchMean, reading?.queueP50Ms], [4, 50]);
});

test("a gateway that another one answered for stays for a while", () => {
  const history = new History();
  const hear = (instanceId: string, nowMs: number) =>
    history.answered({ processes: [fakeProcess({ instanceId })], traceUrl: "" }, nowMs);
  hear("a", 0);
  hear("b", 1_000);
  equal(history.processes.length, 2);
  hear("b", 12_000);
  deepEqual(
    history.processes.map(({ instanceId }) => instanceId),
    ["b"],
  );
});

test("silence leaves one gap, and what is older than five minutes is dropped", () => {
  const history = new History();
  const status = { processes: [fakeProcess()], traceUrl: "" };
  for (let second = 0; second < 400; second += 1) history.answered(status, second * 1_000);
  history.unanswered(400_000);
  history.unanswered(401_000);
  equal(history.points.filter(({ reading }) => reading === undefined).length, 1);
  equal(history.points.length, 301);
  equal(history.points[0]?.atMs, 100_000);
});
