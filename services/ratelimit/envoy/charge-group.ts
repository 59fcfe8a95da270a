import type { Span } from "../../../lib/tracing/span.js";
import { unitsMaxOf } from "../algorithms/quota.js";
import type { AppliedRule, Decision, Item, ItemState } from "../stores/charge.js";
import type { LimitStore } from "../stores/store.js";
import type { Ask } from "./ask.js";

/** How it stands with one ask. */
export interface Verdict {
  readonly isOver: boolean;
  readonly remaining: number;
  /** Until the whole limit is there again; 0 where nothing is spent of it. */
  readonly resetMs: number;
  readonly spentHits: number;
}

export type Counters = Pick<LimitStore, "peek" | "spend" | "giveBack">;

/** By the index of the ask; none where nothing was asked. */
export type Verdicts = readonly (Verdict | undefined)[];

/** Asks that are spent together or not at all. */
export interface Group {
  readonly asks: readonly Ask[];
  readonly counters: Counters;
  /** Whose wait it is. */
  readonly trace: Span;
  /** Where the verdicts of the group go, each at the index of its ask; later ones replace earlier ones. */
  readonly verdicts: Verdict[];
}

/** What is left changes between seeing it and spending it, while others spend too. */
const drainsMax = 3;

/** Of a limit that lets nothing pass. */
const banned: Verdict = { isOver: true, remaining: 0, resetMs: 0, spentHits: 0 };

/** Spends a group, or looks whether it could be spent; answers whether. */
export async function chargeGroup(group: Group, act: "peek" | "spend"): Promise<boolean> {
  const { asks, counters, trace } = group;
  const isWhole = asks.every(isCounted);
  const counted = isWhole ? asks : asks.filter(isCounted);
  if (!isWhole) ban(group);
  if (counted.length === 0) return false;
  const spends = act === "spend" && isWhole && counted.some(({ amount }) => amount > 0);
  const charge = { items: itemsOf(counted), trace };
  const decision = await (spends ? counters.spend(charge) : counters.peek(charge));
  if (decision.allowed || !spends) {
    judge(group, counted, {
      decision,
      states: decision.states,
      spentOf: (ask) => (spends ? ask.hits : 0),
    });
  } else await drain(group, counted, decision);
  return decision.allowed && isWhole;
}

/** What has no counter. */
function ban({ asks, verdicts }: Group): void {
  for (const { index, rule } of asks) if (rule === undefined) verdicts[index] = banned;
}

/** Gives hits back, as many as were spent and no more; what is given back is never over a limit. */
export async function giveBack({ asks, counters, verdicts }: Group): Promise<void> {
  const counted = asks.filter(isCounted);
  const states = counted.length === 0 ? [] : await counters.giveBack(itemsOf(counted));
  for (const ask of asks) {
    const state = stateOf(states, ask.rule);
    const { remaining, resetMs } = state ?? { remaining: 0, resetMs: 0 };
    verdicts[ask.index] = { isOver: false, remaining, resetMs, spentHits: 0 };
  }
}

/**
 * After a refusal: hits that were used already do not come back because there is no room for all of them, so of each
 * such ask as much is spent as there is room for. Others who spend at the same time can make it less, in the callers'
 * favour.
 */
async function drain(group: Group, counted: readonly Counted[], refused: Decision): Promise<void> {
  const metered = counted.filter(({ isMetered }) => isMetered);
  let { states } = refused;
  let spent: readonly Item[] = [];
  for (let tries = 0; tries < drainsMax && spent.length === 0; tries += 1) {
    const items = itemsOf(metered).map((item) => cut(item, states));
    const fitting = items.filter(({ amount }) => amount > 0);
    if (fitting.length === 0) break;
    const decision = await group.counters.spend({ items: fitting, trace: group.trace });
    if (decision.allowed) spent = fitting;
    states = [...decision.states, ...states];
  }
  const amounts = new Map(spent.map(({ rule, amount }) => [rule.key, amount]));
  const spentOf = ({ isMetered, rule }: Counted) => (isMetered ? (amounts.get(rule.key) ?? 0) : 0);
  judge(group, counted, { decision: refused, states, spentOf });
}

interface Outcome {
  readonly decision: Decision;
  /** As they stand after all; of several for one rule, the first counts. */
  readonly states: readonly ItemState[];
  readonly spentOf: (ask: Counted) => number;
}

function judge({ verdicts }: Group, asks: readonly Counted[], outcome: Outcome): void {
  const { decision, states, spentOf } = outcome;
  for (const ask of asks) {
    const before = stateOf(decision.states, ask.rule);
    const after = stateOf(states, ask.rule);
    verdicts[ask.index] = {
      isOver: !decision.allowed && before !== undefined && before.retryAfterMs !== 0,
      remaining: after?.remaining ?? unitsMaxOf(ask.rule.quota),
      resetMs: after?.resetMs ?? 0,
      spentHits: spentOf(ask),
    };
  }
}

type Counted = Ask & { readonly rule: AppliedRule };

function isCounted(ask: Ask): ask is Counted {
  return ask.rule !== undefined;
}

/** Asks about the same counter are one item. */
function itemsOf(asks: readonly Counted[]): readonly Item[] {
  const [first] = asks;
  if (first !== undefined && asks.length === 1) {
    return [{ rule: first.rule, amount: first.amount, isHeld: false }];
  }
  const items = new Map<string, Item>();
  for (const { rule, amount } of asks) {
    const others = items.get(rule.key)?.amount ?? 0;
    items.set(rule.key, { rule, amount: others + amount, isHeld: false });
  }
  return [...items.values()];
}

function cut(item: Item, states: readonly ItemState[]): Item {
  return { ...item, amount: Math.min(item.amount, stateOf(states, item.rule)?.remaining ?? 0) };
}

/** Absent for a rule that was left out because its counters are away. */
function stateOf(
  states: readonly ItemState[],
  rule: AppliedRule | undefined,
): ItemState | undefined {
  return states.find(({ item }) => item.rule.key === rule?.key);
}
