import { randomBytes } from "node:crypto";
import { RatelimitService, Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import type { Clock } from "../../lib/clock.js";
import { toMeshError } from "../../lib/errors.js";
import type { Log } from "../../lib/log.js";
import type { CallContext, Channel } from "../../lib/rpc/call.js";
import { inSpan } from "../../lib/tracing/in-span.js";
import type { Facts, Span } from "../../lib/tracing/span.js";
import { createDecide, type Decide, type Question, type Verdict } from "./deciding.js";
import { refusingOf, toRefusal } from "./limit-refusal.js";
import { Settling } from "./settling.js";

/** A slot is held for so long beyond the deadline of its call: it must not come back while the call is in work. */
const leaseSlackMs = 5_000;
/** The longest lease that the ratelimit service gives. */
const leaseMsMax = 3_600_000;

/** Tokens that are spent for now. Exactly one of the two is called, once. */
export interface Reservation {
  /** Makes the tokens final; where fewer were computed for this request, the policy may give the others back. */
  commit(computedTokens?: number): void;
  release(): void;
}

export interface LimiterOptions {
  /** After so long, tokens come back that nobody has settled. */
  readonly reservationMs: number;
  /** Whether tokens count that were not computed for the request. */
  readonly areCachedTokensCharged: boolean;
}

export interface LimiterDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Whether a call to the ratelimit service costs so much that requests share one. */
  readonly isRatelimitRemote?: boolean;
  /** Hears of each call that is decided without the shared counters, once. */
  readonly counts?: { degraded(): void };
}

/** The gateway's view of the ratelimit service: refusals are faults, settling does not hold up answers. */
export class Limiter {
  readonly #options: LimiterOptions;
  readonly #clock: Clock;
  readonly #decide: Decide;
  readonly #settling: Settling;
  readonly #degraded: () => void;
  /** Tells the ids of this process from those of all others. */
  readonly #idPrefix = randomBytes(12).toString("base64url");
  #idCount = 0;

  constructor(ratelimit: Channel, options: LimiterOptions, deps: LimiterDeps) {
    const client = ratelimit.client(RatelimitService);
    this.#options = options;
    this.#clock = deps.clock;
    this.#decide = createDecide(client, { isGathering: deps.isRatelimitRemote ?? false });
    this.#settling = new Settling(client, deps);
    this.#degraded = () => deps.counts?.degraded();
  }

  /**
   * Spends one request of the caller, or throws `limited`; then does the work. Where limits count requests in work it is
   * one of them until the work is over, however it ends. `model` is the one that will run, as far as that is known.
   */
  async withRequest<T>(context: CallContext, model: string, work: () => Promise<T>): Promise<T> {
    if (context.callRecord !== undefined) context.callRecord.model = model;
    const leaseId = this.#newId();
    const leaseMs = this.#leaseMs(context);
    const caller = toCaller(context, model);
    const take = { caller, unit: Unit.REQUESTS, amount: 1n, leaseId, leaseMs };
    const question = { case: "take", value: take } as const;
    const verdict = await this.#require(question, { context, id: leaseId, model });
    if (verdict.leased !== true) return await work();
    try {
      return await work();
    } finally {
      this.#settling.settle(leaseId, { kind: "released" });
    }
  }

  /** Spends exactly these tokens until they are committed or released, or throws `limited`. */
  async reserveTokens(tokens: number, context: CallContext, model: string): Promise<Reservation> {
    // Not even the smallest limit has anything to say about none.
    if (tokens === 0) return nothingReserved;
    const id = this.#newId();
    const reserve = {
      caller: toCaller(context, model),
      unit: Unit.TOKENS,
      amount: BigInt(tokens),
      reservationId: id,
      ttlMs: this.#options.reservationMs,
    };
    const question = { case: "reserve", value: reserve } as const;
    await this.#require(question, { context, id, model });
    return {
      commit: (computedTokens = tokens) => this.#commit(id, tokens, computedTokens),
      release: () => this.#settling.settle(id, { kind: "released" }),
    };
  }

  /** Resolves when nothing waits to be settled; for the end of the process. */
  settled(): Promise<void> {
    return this.#settling.settled();
  }

  /** Of a lease or reservation. Nobody has to guess at it, so it need not be drawn, which costs as much as a decision. */
  #newId(): string {
    this.#idCount += 1;
    return `${this.#idPrefix}.${this.#idCount.toString(36)}`;
  }

  #commit(id: string, tokens: number, computedTokens: number): void {
    if (this.#options.areCachedTokensCharged || computedTokens >= tokens) {
      this.#settling.settle(id, { kind: "committed" });
    } else if (computedTokens <= 0) {
      this.#settling.settle(id, { kind: "released" });
    } else {
      this.#settling.settle(id, { kind: "used", units: computedTokens });
    }
  }

  /** The verdict, which is yes: a refusal is thrown. */
  async #require(
    question: Question,
    asked: { readonly context: CallContext; readonly id: string; readonly model: string },
  ): Promise<Verdict> {
    const { context, id, model } = asked;
    const { counted, spanName } = subjectOf[question.case];
    return await inSpan(spanName, context, async (inner, span) => {
      span.set("arrowmesh.limit.amount", Number(question.value.amount));
      const verdict = await this.#ask(question, inner, id);
      if (context.callRecord !== undefined) context.callRecord.limits[counted] = verdict.limits;
      describe(span, verdict);
      if (!verdict.allowed) throw toRefusal(verdict.limits, context, model);
      return verdict;
    });
  }

  async #ask(question: Question, context: CallContext, id: string): Promise<Verdict> {
    try {
      const verdict = await this.#decide(question, context);
      const limits = context.callRecord?.limits;
      if (verdict.degraded && limits?.isDegraded === false) {
        limits.isDegraded = true;
        this.#degraded();
      }
      return verdict;
    } catch (error) {
      // Nobody waited for the answer, which may have been yes.
      const { fault } = toMeshError(error);
      if (fault === "cancelled" || fault === "deadline") {
        this.#settling.settle(id, { kind: "released" });
      }
      throw error;
    }
  }

  #leaseMs({ deadlineAtMs }: CallContext): number {
    const leftMs = Math.max(0, Math.ceil(deadlineAtMs - this.#clock.nowMs()));
    return Math.min(leftMs + leaseSlackMs, leaseMsMax);
  }
}

const nothingReserved: Reservation = { commit() {}, release() {} };

function toCaller({ clientIp: ip, caller }: CallContext, model: string) {
  if (caller === undefined) return { ip, model };
  const { apiKey, user, tier, route } = caller;
  return { ip, apiKey, user, tier, model, route };
}

/** What a question is about. */
const subjectOf = {
  take: { counted: "requests", spanName: "limit_requests" },
  reserve: { counted: "tokens", spanName: "limit_tokens" },
} as const;

function describe(span: Span, { allowed, degraded, limits }: Verdict): void {
  span.describe((allowed ? allowedFacts : refusedFacts)[degraded ? "degraded" : "exact"]);
  if (allowed) return;
  const names = refusingOf(limits).map(({ name }) => name);
  span.set("arrowmesh.limit.rules", names);
}

const allowedFacts = nameOutcomes(true);
const refusedFacts = nameOutcomes(false);

function nameOutcomes(allowed: boolean): Readonly<Record<"exact" | "degraded", Facts>> {
  return {
    exact: { "arrowmesh.limit.allowed": allowed, "arrowmesh.limit.degraded": false },
    degraded: { "arrowmesh.limit.allowed": allowed, "arrowmesh.limit.degraded": true },
  };
}
