// Whatever goes together, is refused, lost or left, in whatever order: a caller's result is that of its own item.

import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { callContext } from "../../test/support/call-context.js";
import { seeded } from "../../test/support/random.js";
import { MeshError } from "../errors.js";
import type { CallContext } from "./call.js";
import { Gather, type Gathered, settleEach } from "./gather.js";

const itemsMax = 5;

interface Item {
  readonly id: number;
  readonly kind: string;
  /** A mistake of this caller, which fails every call it is part of. */
  readonly isBad: boolean;
}

interface Call {
  readonly gathered: readonly Gathered<Item, string>[];
  readonly context: CallContext;
  /** Answers one of its items before the others. */
  readonly answerOne: () => void;
  readonly settle: (lost: boolean) => void;
}

interface Caller {
  readonly item: Item;
  readonly leaver: AbortController;
  readonly isLost: () => boolean;
  readonly outcome: Promise<Outcome>;
}

type Outcome = { readonly result: string } | { readonly error: unknown };

test("every caller gets what its own call would give it, once", async (t) => {
  const random = seeded(t);
  for (let run = 0; run < 60; run += 1) await runOnce(random);
});

async function runOnce(random: ReturnType<typeof seeded>): Promise<void> {
  const running = new Set<Call>();
  const lostIds = new Set<number>();
  const callers: Caller[] = [];
  const sendTogether = (
    gathered: readonly Gathered<Item, string>[],
    context: CallContext,
  ): Promise<void> => {
    checkCall(
      gathered.map(({ item }) => item),
      context,
      callers,
    );
    return answerLater({ gathered, context, running, lostIds });
  };
  const gather = new Gather<Item, string>({
    itemsMax,
    kindOf: ({ kind }) => kind,
    sendAlone: (item, context) =>
      new Promise((resolve, reject) => {
        const lone = { item, context, isSettled: false, resolve, reject };
        sendTogether([lone], context).catch(reject);
      }),
    sendTogether,
  });
  const begin = (): void => {
    const id = callers.length;
    const item = { id, kind: random.pick(["x", "y"]), isBad: random.int(8) === 0 };
    // Some callers have their signal in common, as the texts of a stream do.
    const before = random.int(4) === 0 ? callers.at(-1) : undefined;
    const leaver = before?.leaver ?? new AbortController();
    const outcome = gather.call(item, callContext({ signal: leaver.signal })).then(
      (result) => ({ result }),
      (error: unknown) => ({ error }),
    );
    callers.push({ item, leaver, isLost: () => lostIds.has(id), outcome });
  };
  const steps = [
    begin,
    begin,
    begin,
    () => random.pick(callers)?.leaver.abort(new Error("left")),
    () => random.pick([...running])?.answerOne(),
    () => random.pick([...running])?.settle(random.int(6) === 0),
  ];
  for (let step = 0; step < 80; step += 1) {
    random.pick(steps)();
    for (const call of running) checkAudience(call, callers);
    if (random.int(4) === 0) await turn();
  }
  // What is sent again alone is answered too.
  for (await turn(); running.size > 0; await turn()) for (const call of running) call.settle(false);
  for (const caller of callers) checkOutcome(caller, await caller.outcome);
}

/** Calls hold items of one kind whose callers are present. */
function checkCall(
  items: readonly Item[],
  { signal }: CallContext,
  callers: readonly Caller[],
): void {
  ok(items.length >= 1 && items.length <= itemsMax);
  equal(new Set(items.map(({ kind }) => kind)).size, 1);
  const leavers = items.map(({ id }) => callers[id]?.leaver.signal);
  // The caller that fills the group is not in the list yet.
  const present = leavers.filter((leaver) => leaver?.aborted !== true);
  equal(present.length, items.length);
  equal(signal.aborted, false);
}

/** A call is aborted when the last of its callers has left, and no sooner. */
function checkAudience({ gathered, context }: Call, callers: readonly Caller[]): void {
  const isDeserted = gathered.every(({ item }) => callers[item.id]?.leaver.signal.aborted === true);
  equal(context.signal.aborted, isDeserted);
}

/** The promise of a call that the run settles when it likes. */
function answerLater({
  gathered,
  context,
  running,
  lostIds,
}: Pick<Call, "gathered" | "context"> & {
  readonly running: Set<Call>;
  readonly lostIds: Set<number>;
}): Promise<void> {
  const unsettled = () => gathered.filter(({ isSettled }) => !isSettled);
  const answerOne = (): void => {
    const [first] = unsettled();
    if (first === undefined) return;
    if (first.item.isBad) first.reject(new MeshError("invalid", "bad"));
    else first.resolve(resultOf(first.item));
  };
  return new Promise((resolve, reject) => {
    const settle = (lost: boolean): void => {
      running.delete(call);
      const left = unsettled();
      if (lost) {
        for (const { item } of left) lostIds.add(item.id);
        reject(new MeshError("unavailable", "lost"));
        return;
      }
      if (left.some(({ item }) => item.isBad)) reject(new MeshError("invalid", "bad"));
      else {
        settleEach(
          left,
          left.map(({ item }) => resultOf(item)),
        );
        resolve();
      }
    };
    const call = { gathered, context, answerOne, settle };
    running.add(call);
  });
}

function resultOf({ kind, id }: Item): string {
  return `${kind}${id}`;
}

function checkOutcome({ item, leaver, isLost }: Caller, outcome: Outcome): void {
  if ("result" in outcome) {
    equal(outcome.result, resultOf(item));
    equal(item.isBad, false);
    return;
  }
  const { error } = outcome;
  if (error === leaver.signal.reason) return;
  ok(error instanceof MeshError);
  if (error.fault === "unavailable") ok(isLost());
  else ok(item.isBad && error.fault === "invalid");
}
