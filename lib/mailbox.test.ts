import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { collect } from "../test/support/messages.js";
import { Mailbox } from "./mailbox.js";

test("what is put in comes out in order, and what is here still when it is closed", async () => {
  const box = new Mailbox<number>();
  for (const item of [1, 2, 3]) box.put(item);
  box.close();
  deepEqual(await collect(box), [1, 2, 3]);
});

test("a reader waits for the next item", async () => {
  const box = new Mailbox<string>();
  const reader = box[Symbol.asyncIterator]();
  let isThere = false;
  const next = reader.next().finally(() => {
    isThere = true;
  });
  await turn();
  equal(isThere, false);
  box.put("a");
  box.put("b");
  deepEqual(await next, { done: false, value: "a" });
  deepEqual(await reader.next(), { done: false, value: "b" });
});

test("the end wakes a reader who waits", async () => {
  const box = new Mailbox<number>();
  const all = collect(box);
  await turn();
  box.close();
  deepEqual(await all, []);
});

test("nothing comes in after the end", async () => {
  const box = new Mailbox<number>();
  box.put(1);
  box.close();
  box.put(2);
  box.close();
  deepEqual(await collect(box), [1]);
});

test("what is put in while the reader is busy is not lost", async () => {
  const box = new Mailbox<number>();
  const items: number[] = [];
  box.put(0);
  for await (const item of box) {
    items.push(item);
    if (item < 3) box.put(item + 1);
    else box.close();
    await turn();
  }
  deepEqual(items, [0, 1, 2, 3]);
});
