import type { Clock } from "../clock.js";
import { type Fault, MeshError } from "../errors.js";
import type { HubConfig } from "./config.js";

/** A retry that is about to be waited for. */
export interface Retry {
  /** From 1. */
  readonly number: number;
  readonly waitMs: number;
  readonly reason: string;
}

export interface RetryDeps {
  readonly config: Pick<HubConfig, "retriesMax" | "retryWaitMsMin" | "retryWaitMsMax">;
  readonly clock: Clock;
  /** Evenly in 0..1. */
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly onRetry: (retry: Retry) => void;
}

const passing: readonly Fault[] = ["unavailable", "deadline", "limited"];

/** Runs `attempt` until it succeeds, fails for good, or has failed once more than it may be retried. */
export async function withRetries<T>(deps: RetryDeps, attempt: () => Promise<T>): Promise<T> {
  const { clock, config, onRetry, signal } = deps;
  for (let number = 1; ; number += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      const isPassing = error instanceof MeshError && passing.includes(error.fault);
      if (!isPassing || number > config.retriesMax) throw error;
      const waitMs = waitBefore(number, error, deps);
      onRetry({ number, waitMs, reason: error.message });
      await pause(waitMs, { clock, signal });
    }
  }
}

/** Doubled each time and spread by half, so that many callers do not come back at once. */
function waitBefore(number: number, error: MeshError, { config, random }: RetryDeps): number {
  const planned = config.retryWaitMsMin * 2 ** (number - 1) * (0.5 + random());
  const waitMs = Math.max(planned, error.details.retryAfterMs ?? 0);
  return Math.round(Math.min(waitMs, config.retryWaitMsMax));
}

/** Waits; rejects as soon as the signal aborts, and leaves no timer. */
export async function pause(
  waitMs: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = clock.at(clock.nowMs() + waitMs, () => {
      signal.removeEventListener("abort", give);
      resolve();
    });
    const give = (): void => {
      stop();
      reject(signal.reason);
    };
    signal.addEventListener("abort", give, { once: true });
  });
}
