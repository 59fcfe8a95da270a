import { describe } from "node:test";
import { FakeClock } from "../../../lib/fake-clock.js";
import { MemoryStore } from "./memory-store.js";
import { runModelSuite } from "./model-suite.js";
import type { LimitStore } from "./store.js";

const bounds = { keysMax: 1_000, reservationsMax: 1_000 };

describe("the store in memory, against a plain reference", () => {
  runModelSuite(
    async () => {
      const clock = new FakeClock();
      await clock.moveTo(1_700_000_000_123);
      const decidedAtMs: number[] = [];
      const decides = () => void decidedAtMs.push(clock.nowMs());
      const store = new ObservedStore(new MemoryStore(bounds, clock), decides);
      const wait = (ms: number) => clock.moveTo(clock.nowMs() + ms);
      return { store, wait, takeDecidedAtMs: () => decidedAtMs.splice(0) };
    },
    { rounds: 150, steps: 150, pauseMsMax: 4_000 },
  );
});

/** Tells when it is about to decide. */
class ObservedStore implements LimitStore {
  readonly #store: LimitStore;
  readonly #decides: () => void;

  constructor(store: LimitStore, decides: () => void) {
    this.#store = store;
    this.#decides = decides;
  }

  peek(...[charge]: Parameters<LimitStore["peek"]>) {
    this.#decides();
    return this.#store.peek(charge);
  }

  spend(...[charge]: Parameters<LimitStore["spend"]>) {
    this.#decides();
    return this.#store.spend(charge);
  }

  giveBack(...[items]: Parameters<LimitStore["giveBack"]>) {
    this.#decides();
    return this.#store.giveBack(items);
  }

  settle(...[settlements]: Parameters<LimitStore["settle"]>) {
    this.#decides();
    return this.#store.settle(settlements);
  }

  isReady = () => this.#store.isReady();
  totals = () => this.#store.totals();
  openReservations = () => this.#store.openReservations();
}
