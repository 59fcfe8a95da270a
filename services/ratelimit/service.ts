import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Decision as DecisionMessage,
  type OutcomeSchema,
  RatelimitService,
  type ReserveRequest,
  type TakeRequest,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { MeshError } from "../../lib/errors.js";
import { type Binding, bind, type CallContext } from "../../lib/rpc/call.js";
import { recordFailure } from "../../lib/rpc/call-record.js";
import { toStatus } from "../../lib/rpc/status.js";
import { toAnswer } from "./answers.js";
import { chargeOf, holds, itemsOf } from "./charges.js";
import type { RatelimitCounts } from "./metrics.js";
import type { Policy } from "./policy/policy.js";
import {
  invalid,
  missingLease,
  readCommit,
  readLease,
  readRelease,
  readReservation,
  readSpending,
  type Spending,
} from "./requests.js";
import { Shadow, type SpendingTerms } from "./shadow.js";
import type { Settlement } from "./stores/charge.js";
import type { LimitStore } from "./stores/store.js";

const decisionsMax = 256;

/** caller and amounts -> rules of the policy -> store -> allowed or not */
export function createRatelimit(deps: {
  /** The policy as of now; it may be another one at the next call. */
  readonly policy: { readonly current: Policy };
  readonly store: LimitStore;
  readonly count: RatelimitCounts;
}): Binding {
  const { store, count } = deps;
  const shadow = new Shadow(store, count);

  async function spend(spending: Spending, spendingTerms: SpendingTerms) {
    const { held, terms, trace } = spendingTerms;
    const policy = deps.policy.current;
    const items = itemsOf(policy.enforced, spending, held);
    const isHolding = holds(items);
    if (isHolding && terms === undefined) throw missingLease();
    const decision = await store.spend(chargeOf(items, { terms, trace }));
    count.decision(spending, decision);
    const isShadowHolding =
      decision.allowed &&
      policy.shadow !== undefined &&
      (await shadow.spend(policy.shadow, spending, spendingTerms));
    const leased = (decision.allowed && isHolding) || isShadowHolding;
    const { allowed, limits, degraded } = toAnswer(decision, policy);
    return { allowed, limits, degraded, leased };
  }

  async function take(request: TakeRequest, { trace }: CallContext) {
    const terms = readLease(request);
    return await spend(readSpending(request), { held: "slots", terms, trace });
  }

  async function reserve(request: ReserveRequest, { trace }: CallContext) {
    const terms = readReservation(request);
    const { allowed, limits, degraded } = await spend(readSpending(request), {
      held: "everything",
      terms,
      trace,
    });
    return { allowed, limits, degraded };
  }

  async function settle(settlements: readonly Settlement[]) {
    await store.settle(shadow.settlementsOf(settlements));
    return {};
  }

  async function decideOne({ question }: DecisionMessage, context: CallContext): Promise<Answer> {
    switch (question.case) {
      case "take":
        return { case: "take", value: await take(question.value, context) };
      case "reserve":
        return { case: "reserve", value: await reserve(question.value, context) };
      default:
        throw invalid("question", "missing");
    }
  }

  return bind(RatelimitService, {
    async check(request, { trace }) {
      const policy = deps.policy.current;
      const items = itemsOf(policy.enforced, readSpending(request), "nothing");
      return toAnswer(await store.peek(chargeOf(items, { trace })), policy);
    },

    take,

    reserve,

    async decide({ decisions }, context) {
      const { length } = decisions;
      if (length < 1 || length > decisionsMax) {
        throw invalid("decisions", `expected 1..${decisionsMax}`);
      }
      // All reach the store in their order, before one of them waits.
      const answers = decisions.map((each) =>
        decideOne(each, context).catch(toErrorAnswer(context)),
      );
      return { outcomes: (await Promise.all(answers)).map((answer) => ({ answer })) };
    },

    async commit(request) {
      return await settle(readCommit(request));
    },

    async release({ reservationIds }) {
      return await settle(readRelease(reservationIds));
    },
  });
}

type Answer = NonNullable<MessageInitShape<typeof OutcomeSchema>["answer"]>;

/** What is wrong with one decision is its own answer; a bug fails the call, so that it is logged. */
function toErrorAnswer({ requestId, callRecord }: CallContext): (thrown: unknown) => Answer {
  return (thrown) => {
    if (!(thrown instanceof MeshError)) throw thrown;
    recordFailure(callRecord, thrown);
    return { case: "error", value: toStatus(thrown, requestId) };
  };
}
