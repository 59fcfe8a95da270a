import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ROOT_CONTEXT } from "@opentelemetry/api";
import {
  type Limit,
  RatelimitService,
  type ReserveRequestSchema,
  Unit,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import type { Clock } from "../../lib/clock.js";
import { MeshError } from "../../lib/errors.js";
import type { Log } from "../../lib/log.js";
import type { CallContext, Channel, Client } from "../../lib/rpc/call.js";
import { createDecide, type Decide } from "./deciding.js";

/** Settling happens after the answer; it gets this long, and then the reservation's own time decides. */
const settleMsMax = 5_000;
/** Ids of one Commit or Release call. */
const settleIdsMax = 256;

/** Tokens that are spent for now. Exactly one of the two is called, once. */
export interface Reservation {
  /** Every limit that applied, as it is with these tokens spent. */
  readonly limits: readonly Limit[];
  commit(): void;
  release(): void;
}

export interface LimiterDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Whether a call to the ratelimit service costs so much that requests share one. */
  readonly isRatelimitRemote?: boolean;
}

/** The gateway's view of the ratelimit service: refusals are faults, settling does not hold up answers. */
export class Limiter {
  readonly #ratelimit: Client<typeof RatelimitService>;
  readonly #reservationMs: number;
  readonly #decide: Decide;
  readonly #deps: LimiterDeps;
  readonly #commits: string[] = [];
  readonly #releases: string[] = [];
  #settling: Promise<void> | undefined;

  constructor(ratelimit: Channel, reservationMs: number, deps: LimiterDeps) {
    this.#ratelimit = ratelimit.client(RatelimitService);
    this.#decide = createDecide(this.#ratelimit, { isGathering: deps.isRatelimitRemote ?? false });
    this.#reservationMs = reservationMs;
    this.#deps = deps;
  }

  /** Spends one request of the caller, or throws `limited`. Returns every limit that applied. */
  async takeRequest(context: CallContext): Promise<readonly Limit[]> {
    const caller = { ip: context.clientIp };
    const { allowed, limits } = await this.#decide(
      { case: "take", value: { caller, unit: Unit.REQUESTS, amount: 1n } },
      context,
    );
    if (!allowed) throw limited("requests", limits, context);
    return limits;
  }

  /** Spends exactly these tokens until they are committed or released, or throws `limited`. */
  async reserveTokens(tokens: number, context: CallContext): Promise<Reservation> {
    const request = {
      caller: { ip: context.clientIp },
      unit: Unit.TOKENS,
      amount: BigInt(tokens),
      reservationId: randomUUID(),
      ttlMs: this.#reservationMs,
    } satisfies MessageInitShape<typeof ReserveRequestSchema>;
    const question = { case: "reserve", value: request } as const;
    const { allowed, limits } = await this.#decide(question, context);
    if (!allowed) throw limited("tokens", limits, context);
    return {
      limits,
      commit: () => this.#settle(this.#commits, request.reservationId),
      release: () => this.#settle(this.#releases, request.reservationId),
    };
  }

  /** Resolves when nothing waits to be settled; for the end of the process. */
  async settled(): Promise<void> {
    while (this.#settling !== undefined) await this.#settling;
  }

  #settle(ids: string[], id: string): void {
    ids.push(id);
    this.#settling ??= this.#settleAll().finally(() => {
      this.#settling = undefined;
    });
  }

  /** What settles while one call runs goes out together with the next. */
  async #settleAll(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#commits.length + this.#releases.length > 0) {
      const commits = this.#commits.splice(0, settleIdsMax);
      const releases = this.#releases.splice(0, settleIdsMax);
      try {
        if (commits.length > 0) {
          await this.#ratelimit.commit({ reservationIds: commits }, this.#background());
        }
        if (releases.length > 0) {
          await this.#ratelimit.release({ reservationIds: releases }, this.#background());
        }
      } catch (error) {
        // They come back by themselves when their time is over: the caller gets committed tokens for free.
        const count = commits.length + releases.length;
        this.#deps.log.warn({ cause: String(error), count }, "reservations were not settled");
      }
    }
  }

  /** The caller of these calls is the gateway itself; the request they belong to may be over. */
  #background(): CallContext {
    return {
      signal: new AbortController().signal,
      deadlineAtMs: this.#deps.clock.nowMs() + settleMsMax,
      trace: ROOT_CONTEXT,
      requestId: "settle",
      clientIp: "",
    };
  }
}

function limited(what: string, limits: readonly Limit[], context: CallContext): MeshError {
  const refusing = limits.filter((limit) => limit.retryAfterMs !== 0n);
  const names = refusing.map((limit) => limit.name).join(", ");
  const waits = refusing.map((limit) => limit.retryAfterMs).filter((wait) => wait !== undefined);
  const quotas = refusing.map((limit) => ({
    subject: `ip:${context.clientIp}`,
    description: `${limit.name}: ${limit.quota} ${what}, ${limit.remaining} left`,
  }));
  // A refusal without a wait is for good: the amount is over the whole quota.
  if (waits.length < refusing.length) {
    return new MeshError("limited", `more ${what} than ${names} ever allows`, { quotas, limits });
  }
  const retryAfterMs = Math.max(...waits.map(Number));
  return new MeshError("limited", `too many ${what} (${names})`, { quotas, limits, retryAfterMs });
}
