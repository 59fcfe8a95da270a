import type { Clock } from "./clock.js";
import { MeshError } from "./errors.js";
import type { Interceptor } from "./interceptors/interceptor.js";

/** How soon a refused caller may try again; by then a balancer has taken this process out. */
const retryAfterMs = 1_000;

/** Lets a process end without failing a request: counts what was accepted, refuses what comes after `begin`. */
export class Drain {
  readonly #started = new AbortController();
  #activeCount = 0;
  #onIdle = () => {};

  /** Aborted when draining starts. */
  get started(): AbortSignal {
    return this.#started.signal;
  }

  intercept: Interceptor = () => {
    if (this.started.aborted) {
      throw new MeshError("unavailable", "the server is shutting down", { retryAfterMs });
    }
    this.#activeCount += 1;
    return {
      end: () => {
        this.#activeCount -= 1;
        if (this.#activeCount === 0) this.#onIdle();
      },
    };
  };

  /** Refuses new calls from now on; resolves when the accepted ones have ended, or after `waitMsMax`. */
  async begin(clock: Clock, waitMsMax: number): Promise<void> {
    this.#started.abort();
    if (this.#activeCount === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.at(clock.nowMs() + waitMsMax, resolve);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
    });
  }
}
