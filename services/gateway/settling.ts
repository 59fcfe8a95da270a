import type { RatelimitService } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import type { Clock } from "../../lib/clock.js";
import type { Log } from "../../lib/log.js";
import type { CallContext, Client } from "../../lib/rpc/call.js";
import { CallAbort } from "../../lib/rpc/call-signal.js";
import { noSpan } from "../../lib/tracing/span.js";

/** Settling happens after the answer; it gets this long, and then the reservation's own time decides. */
const settleMsMax = 5_000;
/** Ids of one kind in one call; the service takes four times as many. */
const settleIdsMax = 256;
/** Ids that wait for a call. What is more while the service does not answer is left to come back by itself. */
const waitingIdsMax = 65_536;

/** What became of a reservation. */
export type Outcome =
  | { readonly kind: "committed" }
  | { readonly kind: "released" }
  /** Only so many of its units were used; from 1. */
  | { readonly kind: "used"; readonly units: number };

/** Ends reservations and leases, after the answers they belong to: what ends while one call runs goes with the next. */
export class Settling {
  readonly #ratelimit: Client<typeof RatelimitService>;
  readonly #deps: { readonly clock: Clock; readonly log: Log };
  readonly #committed: string[] = [];
  readonly #used: { reservationId: string; amount: bigint }[] = [];
  readonly #released: string[] = [];
  #leftCount = 0;
  #running: Promise<void> | undefined;

  constructor(
    ratelimit: Client<typeof RatelimitService>,
    deps: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#ratelimit = ratelimit;
    this.#deps = deps;
  }

  settle(id: string, outcome: Outcome): void {
    if (this.#waitingCount() >= waitingIdsMax) this.#leftCount += 1;
    else if (outcome.kind === "committed") this.#committed.push(id);
    else if (outcome.kind === "released") this.#released.push(id);
    else this.#used.push({ reservationId: id, amount: BigInt(outcome.units) });
    this.#running ??= this.#settleAll();
  }

  /** Resolves when nothing waits to be settled; for the end of the process. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  #waitingCount(): number {
    return this.#committed.length + this.#used.length + this.#released.length;
  }

  async #settleAll(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#waitingCount() > 0) {
      const reservationIds = this.#committed.splice(0, settleIdsMax);
      const partial = this.#used.splice(0, settleIdsMax);
      const released = this.#released.splice(0, settleIdsMax);
      const commits = reservationIds.length + partial.length;
      await Promise.all([
        commits > 0 &&
          this.#try(commits, (context) =>
            this.#ratelimit.commit({ reservationIds, partial }, context),
          ),
        released.length > 0 &&
          this.#try(released.length, (context) =>
            this.#ratelimit.release({ reservationIds: released }, context),
          ),
      ]);
    }
    if (this.#leftCount > 0) this.#warn("too many at once", this.#leftCount);
    this.#leftCount = 0;
    // In the same turn in which nothing was found to wait: what comes after it begins anew.
    this.#running = undefined;
  }

  async #try(count: number, call: (context: CallContext) => Promise<unknown>): Promise<void> {
    try {
      await call(this.#background());
    } catch (error) {
      this.#warn(String(error), count);
    }
  }

  /** They come back by themselves when their time is over: the caller gets committed tokens for free. */
  #warn(cause: string, count: number): void {
    this.#deps.log.warn({ cause, count }, "reservations were not settled");
  }

  /** The caller of these calls is the gateway itself; the request they belong to may be over. */
  #background(): CallContext {
    return {
      signal: new CallAbort(),
      deadlineAtMs: this.#deps.clock.nowMs() + settleMsMax,
      trace: noSpan,
      requestId: "settle",
      clientIp: "",
    };
  }
}
