import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../../lib/fake-clock.js";
import { Poller } from "./poller.js";

function open() {
  const clock = new FakeClock();
  const waiting: { resolve: (answer: string) => void; reject: (error: Error) => void }[] = [];
  const heard: string[] = [];
  let asks = 0;
  const ask = () => {
    asks += 1;
    return new Promise<string>((resolve, reject) => void waiting.push({ resolve, reject }));
  };
  const poller = new Poller(ask, clock, {
    answered: (answer) => void heard.push(answer),
    failed: (error, retryMs) => void heard.push(`${String(error)} ${retryMs}`),
  });
  const settled = () => new Promise(setImmediate);
  return {
    ...{ clock, poller, heard },
    asks: () => asks,
    async answer(text: string) {
      waiting.shift()?.resolve(text);
      await settled();
    },
    async fail() {
      waiting.shift()?.reject(new Error("away"));
      await settled();
    },
  };
}

test("one question is open at a time, and the next comes a second after the answer", async () => {
  const { clock, poller, heard, asks, answer } = open();
  poller.start();
  poller.start();
  await clock.moveTo(60_000);
  equal(asks(), 1);
  await answer("first");
  await clock.moveTo(60_999);
  equal(asks(), 1);
  await clock.moveTo(61_000);
  equal(asks(), 2);
  deepEqual(heard, ["first"]);
});

test("while nobody answers, questions become rare; the first answer ends that", async () => {
  const { clock, poller, heard, asks, answer, fail } = open();
  poller.start();
  let nowMs = 0;
  for (const waitMs of [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
    await fail();
    equal(heard.at(-1), `Error: away ${waitMs}`);
    nowMs += waitMs;
    await clock.moveTo(nowMs);
  }
  equal(asks(), 7);
  await answer("back");
  await clock.moveTo(nowMs + 1_000);
  await fail();
  equal(heard.at(-1), "Error: away 1000");
});

test("while it is stopped nobody is asked, and the answer to an open question is thrown away", async () => {
  const { clock, poller, heard, asks, answer } = open();
  poller.start();
  poller.stop();
  await answer("late");
  await clock.moveTo(60_000);
  deepEqual([asks(), heard], [1, []]);
  poller.start();
  await answer("fresh");
  deepEqual([asks(), heard], [2, ["fresh"]]);
});
