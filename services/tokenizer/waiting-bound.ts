import { MeshError } from "../../lib/errors.js";
import type { CallSignal } from "../../lib/rpc/call-signal.js";

/** What may wait for the tokenizers of a service at once; the call that crosses a bound is the last one let in. */
export interface WaitingLimits {
  readonly waitingTextsMax: number;
  readonly waitingCharactersMax: number;
}

/** How much a call brings: texts and their characters, or sequences and their ids. */
export interface Work {
  readonly texts: number;
  readonly characters: number;
}

/** Counts the texts in work over all tokenizers of a service. */
export class WaitingBound {
  readonly #limits: WaitingLimits;
  readonly #watchers = new Set<() => void>();
  #texts = 0;
  #characters = 0;

  constructor(limits: WaitingLimits) {
    this.#limits = limits;
  }

  /** Lets work in until the returned function is called, or throws `overloaded`. */
  enter({ texts, characters }: Work): () => void {
    if (this.#isFull) {
      throw new MeshError("overloaded", "too many texts wait for the tokenizer", {
        retryAfterMs: 1_000,
      });
    }
    this.#texts += texts;
    this.#characters += characters;
    return () => {
      this.#texts -= texts;
      this.#characters -= characters;
      if (this.#isFull) return;
      for (const watcher of [...this.#watchers]) watcher();
    };
  }

  /** Resolves when there is room, which others may take first; rejects with the signal's reason. */
  async room(signal: CallSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isFull) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (then: () => void): void => {
        this.#watchers.delete(onRoom);
        signal.removeEventListener("abort", onAbort);
        then();
      };
      const onRoom = (): void => settle(resolve);
      const onAbort = (): void => settle(() => reject(signal.reason));
      this.#watchers.add(onRoom);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  get #isFull(): boolean {
    return (
      this.#texts >= this.#limits.waitingTextsMax ||
      this.#characters >= this.#limits.waitingCharactersMax
    );
  }
}
