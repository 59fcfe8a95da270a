import { MeshError } from "../../../lib/errors.js";
import type { Span } from "../../../lib/tracing/span.js";
import type { ClusterSlots } from "./cluster-slots.js";
import { heldBy, isAllowed, type SlotDecision, type SlotGroup } from "./slot-group.js";

const [keepAll, keepNothing] = [-1, 0];

/** A charge whose counters are in several slots. All of its items come back by themselves. */
export interface SlotsCharge {
  readonly id: string;
  readonly ttlMs: number;
  readonly groups: readonly SlotGroup[];
  readonly trace?: Span | undefined;
}

/**
 * Reserves in each slot for a short time; then confirms in all, or gives back in all. It answers `allowed` only after
 * every slot has confirmed, so never too much is admitted. What is reserved and not confirmed, because a slot refused or
 * a process died in between, is refused to others until it comes back.
 */
export async function spendInSlots(
  slots: ClusterSlots,
  charge: SlotsCharge,
): Promise<readonly SlotDecision[]> {
  const { id, ttlMs, groups, trace } = charge;
  const outcomes = await Promise.allSettled(
    groups.map((group) => slots.decide(group, { mode: "hold", hold: { id, ttlMs }, trace })),
  );
  const decisions = outcomes.flatMap((outcome) =>
    outcome.status === "fulfilled" ? [outcome.value] : [],
  );
  const spent = decisions.filter(({ decision }) => decision.allowed);
  try {
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    if (!isAllowed(decisions)) return await refuse(slots, id, decisions);
    await confirm(slots, id, spent);
    return spent;
  } catch (error) {
    // What cannot be given back now comes back by itself.
    await giveBack(slots, id, spent).catch(() => undefined);
    throw error;
  }
}

/** The slots that had room say how they stand after what was reserved there has come back. */
async function refuse(
  slots: ClusterSlots,
  id: string,
  decisions: readonly SlotDecision[],
): Promise<readonly SlotDecision[]> {
  const spent = decisions.filter(({ decision }) => decision.allowed);
  await giveBack(slots, id, spent);
  const standing = await Promise.all(spent.map(({ group }) => slots.peek(group)));
  const refused = decisions.filter(({ decision }) => !decision.allowed);
  // Meanwhile others may have spent or given back there; the charge was refused all the same.
  return [...refused, ...standing];
}

/** Makes what is spent for good stay. Where that comes too late, the charge has failed. */
async function confirm(
  slots: ClusterSlots,
  id: string,
  decisions: readonly SlotDecision[],
): Promise<void> {
  const final = decisions.flatMap((one) => heldBy(id, one, ({ isHeld }) => !isHeld));
  if (final.length === 0) return;
  const { items } = await slots.settle(final, keepAll);
  if (items === final.length) return;
  throw new MeshError("unavailable", "the limits answered too late", { retryAfterMs: 1_000 });
}

async function giveBack(
  slots: ClusterSlots,
  id: string,
  decisions: readonly SlotDecision[],
): Promise<void> {
  const held = decisions.flatMap((one) => heldBy(id, one));
  if (held.length > 0) await slots.settle(held, keepNothing);
}
