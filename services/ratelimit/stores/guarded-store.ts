import type { Clock } from "../../../lib/clock.js";
import { MeshError } from "../../../lib/errors.js";
import type { Log } from "../../../lib/log.js";
import {
  type Charge,
  type Decision,
  type Item,
  type ItemState,
  nothingToDecide,
  type Settlement,
} from "./charge.js";
import { type BreakerState, CircuitBreaker } from "./circuit-breaker.js";
import { ExpiringIds } from "./expiring-ids.js";
import { KeptSettlements } from "./kept-settlements.js";
import { LocalDecider, outageRetryMs } from "./local-decider.js";
import type { LimitStore, ReservationTotals } from "./store.js";
import { late, withinBudget } from "./within-budget.js";

/** How long the process waits for the store when it starts. */
const startMsMax = 1_000;
/** From one attempt to deliver what could not be settled to the next. */
const settleWaitMs = 1_000;
/** No caller waits for these attempts. */
const settleMsMax = 1_000;

/** What happened to the shared store, as this process saw it. */
export interface GuardStatus {
  readonly isConnected: boolean;
  readonly breaker: BreakerState;
  readonly breakerFailures: number;
  /** Milliseconds since 1970; undefined while decisions are shared. */
  readonly degradedSinceMs: number | undefined;
  /** Calls that were not answered within their budget. */
  readonly timeouts: number;
  /** Calls that failed before. */
  readonly errors: number;
  /** Of both, those that may have been spent nevertheless. */
  readonly unknownOutcomes: number;
  readonly settlementsKept: number;
  readonly settlementsDropped: number;
}

/**
 * A shared store that may be slow or away: no decision waits for it longer than the budget, and while it is away none
 * waits at all. What decides instead is each rule's `onStoreFailure`.
 */
export class GuardedStore implements LimitStore {
  readonly #shared: LimitStore;
  readonly #local: LocalDecider;
  readonly #budgetMs: number;
  readonly #clock: Clock;
  readonly #log: Pick<Log, "info" | "warn" | "error">;
  readonly #breaker: CircuitBreaker;
  readonly #kept = new KeptSettlements();
  /** Reservations that the shared store was not asked for, so that it need not hear of their end. */
  readonly #localIds = new ExpiringIds();
  #isSettling = false;
  #cancelSettling: (() => void) | undefined;
  #degradedSinceMs: number | undefined;
  #timeouts = 0;
  #errors = 0;
  #unknownOutcomes = 0;

  constructor(
    stores: { readonly shared: LimitStore; readonly local: LimitStore },
    bounds: { readonly decisionBudgetMs: number; readonly replicas: number },
    deps: { readonly clock: Clock; readonly log: Pick<Log, "info" | "warn" | "error"> },
  ) {
    this.#shared = stores.shared;
    this.#local = new LocalDecider(stores.local, bounds.replicas);
    this.#budgetMs = bounds.decisionBudgetMs;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#breaker = new CircuitBreaker({
      clock: deps.clock,
      probe: () => this.#answers(this.#budgetMs),
      onChange: (isClosed) => this.#changed(isClosed),
    });
  }

  /** Waits until the store answers or is known to be away, so that no caller has to. */
  async start(): Promise<void> {
    if (!(await this.#answers(startMsMax))) this.#breaker.open();
  }

  async peek(charge: Charge): Promise<Decision> {
    if (charge.items.length === 0) return nothingToDecide;
    if (!this.#breaker.isClosed) return await this.#local.peek(charge);
    const answer = await this.#ask(this.#shared.peek(charge));
    return answer === away ? await this.#local.peek(charge) : answer;
  }

  async spend(charge: Charge): Promise<Decision> {
    if (charge.items.length === 0) return nothingToDecide;
    if (!this.#breaker.isClosed) return await this.#spendLocally(charge);
    if (charge.reservation !== undefined) this.#localIds.delete(charge.reservation.id);
    const answer = await this.#ask(this.#shared.spend(charge));
    if (answer !== away) return answer;
    this.#unknownOutcomes += 1;
    return await this.#local.spend(charge);
  }

  /** What cannot be given back in the shared store is lost to the callers. */
  async giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    if (!this.#breaker.isClosed) return await this.#local.giveBack(items);
    const answer = await this.#ask(this.#shared.giveBack(items));
    return answer === away ? await this.#local.giveBack(items) : answer;
  }

  /** What cannot be delivered now is kept and tried again, so that the caller need not. */
  async settle(settlements: readonly Settlement[]): Promise<void> {
    await this.#local.settle(settlements);
    const shared = settlements.filter(({ id }) => !this.#localIds.delete(id));
    if (shared.length === 0) return;
    if (this.#breaker.isClosed && (await this.#ask(this.#shared.settle(shared))) !== away) return;
    if (!this.#kept.add(shared, this.#clock.nowMs())) {
      const message = "too many settlements wait for the limits to be reachable";
      throw new MeshError("unavailable", message, { retryAfterMs: outageRetryMs });
    }
    this.#settleLater();
  }

  /** Whether decisions are shared. Rules that do not refuse then are decided all the same. */
  isReady(): boolean {
    return this.#breaker.isClosed && this.#shared.isReady();
  }

  totals(): Readonly<ReservationTotals> {
    const [shared, local] = [this.#shared.totals(), this.#local.totals()];
    return {
      opened: shared.opened + local.opened,
      committed: shared.committed + local.committed,
      released: shared.released + local.released,
      expired: shared.expired + local.expired,
    };
  }

  openReservations(): number | undefined {
    return this.#shared.openReservations();
  }

  status(): GuardStatus {
    return {
      isConnected: this.#shared.isReady(),
      breaker: this.#breaker.state,
      breakerFailures: this.#breaker.failures,
      degradedSinceMs: this.#degradedSinceMs,
      timeouts: this.#timeouts,
      errors: this.#errors,
      unknownOutcomes: this.#unknownOutcomes,
      settlementsKept: this.#kept.size,
      settlementsDropped: this.#kept.dropped,
    };
  }

  /** Stops the timers; settlements that are still kept are left to the end of their reservations. */
  close(): void {
    this.#breaker.stop();
    this.#cancelSettling?.();
  }

  async #spendLocally(charge: Charge): Promise<Decision> {
    const { reservation } = charge;
    if (reservation !== undefined) {
      const nowMs = this.#clock.nowMs();
      this.#localIds.add(reservation.id, { nowMs, dueAtMs: nowMs + reservation.ttlMs });
    }
    return await this.#local.spend(charge);
  }

  /** Only an outage makes it `away`: overload and bugs are thrown to the caller. */
  async #ask<T>(work: Promise<T>, budgetMs = this.#budgetMs): Promise<T | typeof away> {
    const askedAtMs = this.#clock.nowMs();
    try {
      const answer = await withinBudget(work, budgetMs, this.#clock);
      if (answer !== late) {
        this.#breaker.succeeded();
        return answer;
      }
      this.#timeouts += 1;
    } catch (thrown) {
      if (!isOutage(thrown)) throw thrown;
      this.#errors += 1;
    }
    this.#breaker.failed(askedAtMs);
    return away;
  }

  /** A store that fails in any other way than being away answers: its callers are to hear what is wrong. */
  async #answers(budgetMs: number): Promise<boolean> {
    try {
      return (await withinBudget(this.#shared.peek(probe), budgetMs, this.#clock)) !== late;
    } catch (thrown) {
      return !isOutage(thrown) && !isOverload(thrown);
    }
  }

  #changed(isClosed: boolean): void {
    if (isClosed) {
      const awayMs = this.#clock.dateMs() - (this.#degradedSinceMs ?? this.#clock.dateMs());
      this.#degradedSinceMs = undefined;
      this.#log.info({ awayMs }, "limits are shared again");
      void this.#settleKept();
    } else {
      this.#degradedSinceMs = this.#clock.dateMs();
      this.#log.warn("limits are decided without the shared store");
    }
  }

  /** While the store is away, its return is what is waited for. */
  #settleLater(): void {
    if (this.#cancelSettling !== undefined || !this.#breaker.isClosed) return;
    this.#cancelSettling = this.#clock.at(this.#clock.nowMs() + settleWaitMs, () => {
      this.#cancelSettling = undefined;
      void this.#settleKept();
    });
  }

  async #settleKept(): Promise<void> {
    if (this.#isSettling) return;
    this.#isSettling = true;
    for (let isGoingOn = true; isGoingOn && this.#breaker.isClosed; ) {
      const batch = this.#kept.batch(this.#clock.nowMs());
      isGoingOn = batch.length > 0 && (await this.#settleBatch(batch));
    }
    this.#isSettling = false;
    if (this.#kept.size > 0) this.#settleLater();
  }

  /** Whether the batch is done with. */
  async #settleBatch(batch: readonly Settlement[]): Promise<boolean> {
    try {
      if ((await this.#ask(this.#shared.settle(batch), settleMsMax)) === away) return false;
      this.#kept.settled(batch);
    } catch (thrown) {
      if (isOverload(thrown)) return false;
      this.#log.error({ error: thrown, settlements: batch.length }, "settlements were rejected");
      this.#kept.drop(batch);
    }
    return true;
  }
}

const away = Symbol("away");

/** Costs the store what a decision costs, and spends nothing. */
const probe: Charge = {
  items: [
    {
      rule: {
        name: "probe",
        key: "probe",
        quota: { algorithm: "fixed_window", units: 1, windowMs: 1_000 },
        onStoreFailure: "refuse",
      },
      amount: 0,
      isHeld: false,
    },
  ],
};

function isOutage(thrown: unknown): boolean {
  return thrown instanceof MeshError && thrown.fault === "unavailable";
}

function isOverload(thrown: unknown): boolean {
  return thrown instanceof MeshError && thrown.fault === "overloaded";
}
