import { isIP } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Caller,
  type Decision as DecisionMessage,
  type LimitSchema,
  type OutcomeSchema,
  RatelimitService,
  type ReserveRequest,
  type TakeRequest,
  Unit,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { MeshError } from "../../lib/errors.js";
import { type Binding, bind } from "../../lib/rpc/call.js";
import { toStatus } from "../../lib/rpc/status.js";
import type { Charge, Decision, RuleState } from "./decision.js";
import type { RatelimitCounts } from "./metrics.js";
import type { Policy } from "./policy.js";
import type { LimitStore } from "./store.js";

const reservationIdLengthMax = 64;
const ttlMsMax = 600_000;
const idsMax = 1_024;
const decisionsMax = 256;

/** caller and amount -> rules of the policy -> store -> allowed or not */
export function createRatelimit(deps: {
  readonly policy: Policy;
  readonly store: LimitStore;
  readonly count: RatelimitCounts;
}): Binding {
  const { policy, store, count } = deps;
  count.observe(store);

  async function take(request: TakeRequest) {
    const decision = await store.take(toCharge(request, policy));
    count.decision(request.unit, decision.allowed);
    return toAnswer(decision, request.unit);
  }

  async function reserve(request: ReserveRequest) {
    const { reservationId: id, ttlMs } = request;
    requireId(id, "reservation_id");
    if (ttlMs < 1 || ttlMs > ttlMsMax) throw invalid("ttl_ms", `expected 1..${ttlMsMax}`);
    const decision = await store.reserve(id, ttlMs, toCharge(request, policy));
    count.decision(request.unit, decision.allowed);
    return toAnswer(decision, request.unit);
  }

  async function decideOne({ question }: DecisionMessage): Promise<Answer> {
    switch (question.case) {
      case "take":
        return { case: "take", value: await take(question.value) };
      case "reserve":
        return { case: "reserve", value: await reserve(question.value) };
      default:
        throw invalid("question", "missing");
    }
  }

  return bind(RatelimitService, {
    async check(request) {
      return toAnswer(await store.peek(toCharge(request, policy)), request.unit);
    },

    take,

    reserve,

    async decide({ decisions }, { requestId }) {
      const { length } = decisions;
      if (length < 1 || length > decisionsMax) {
        throw invalid("decisions", `expected 1..${decisionsMax}`);
      }
      // All reach the store in their order, before one of them waits.
      const answers = decisions.map((each) => decideOne(each).catch(toErrorAnswer(requestId)));
      return { outcomes: (await Promise.all(answers)).map((answer) => ({ answer })) };
    },

    async commit({ reservationIds }) {
      await store.commit(toIds(reservationIds));
      return {};
    },

    async release({ reservationIds }) {
      await store.release(toIds(reservationIds));
      return {};
    },
  });
}

type Answer = NonNullable<MessageInitShape<typeof OutcomeSchema>["answer"]>;

/** What is wrong with one decision is its own answer; a bug fails the call, so that it is logged. */
function toErrorAnswer(requestId: string): (thrown: unknown) => Answer {
  return (thrown) => {
    if (!(thrown instanceof MeshError)) throw thrown;
    return { case: "error", value: toStatus(thrown, requestId) };
  };
}

function toCharge(
  request: { readonly caller?: Caller | undefined; readonly unit: Unit; readonly amount: bigint },
  policy: Policy,
): Charge {
  const { caller, unit, amount } = request;
  if (caller === undefined || caller.ip === "") throw invalid("caller.ip", "missing");
  if (isIP(caller.ip) === 0) throw invalid("caller.ip", "expected an IPv4 or IPv6 address");
  if (unit !== Unit.REQUESTS && unit !== Unit.TOKENS) throw invalid("unit", "not a unit");
  if (amount < 1n) throw invalid("amount", "expected at least 1");
  return { rules: policy(caller, unit), amount: toAmount(amount) };
}

/** No burst comes near the largest whole number, so all beyond it are equally too much. */
function toAmount(amount: bigint): number {
  const max = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(amount > max ? max : amount);
}

function toAnswer({ allowed, states }: Decision, unit: Unit) {
  const tightestFirst = [...states].sort((a, b) => roomOf(a) - roomOf(b));
  return { allowed, limits: tightestFirst.map((state) => toLimit(state, unit)) };
}

function roomOf({ rule, remaining }: RuleState): number {
  return remaining / rule.bucket.burst;
}

function toLimit({ rule, remaining, resetMs, retryAfterMs }: RuleState, unit: Unit) {
  return {
    name: rule.name,
    unit,
    quota: BigInt(rule.bucket.burst),
    remaining: BigInt(remaining),
    resetMs: BigInt(resetMs),
    ...(retryAfterMs !== undefined && { retryAfterMs: BigInt(retryAfterMs) }),
  } satisfies MessageInitShape<typeof LimitSchema>;
}

/** Each id once: settling is final, so a second mention means nothing. */
function toIds(ids: readonly string[]): readonly string[] {
  const field = "reservation_ids";
  if (ids.length === 0 || ids.length > idsMax) throw invalid(field, `expected 1..${idsMax} ids`);
  ids.forEach((id, index) => {
    requireId(id, `${field}[${index}]`);
  });
  return [...new Set(ids)];
}

function requireId(id: string, field: string): void {
  if (id !== "" && id.length <= reservationIdLengthMax) return;
  throw invalid(field, `expected 1..${reservationIdLengthMax} characters`);
}

function invalid(field: string, description: string): MeshError {
  return new MeshError("invalid", `${field}: ${description}`, { fields: [{ field, description }] });
}
