import { MeshError } from "../../lib/errors.js";
import type { CallSignal } from "../../lib/rpc/call-signal.js";

/** One for all who are refused: to note where it was thrown takes V8 a sixth of what a refusal costs. */
const overloaded = new MeshError("overloaded", "Model is overloaded", { retryAfterMs: 1_000 });
/** Of all places, those that streams may fill: the others stay for requests that would be refused. */
const patientShare = 3 / 4;

/**
 * Counts the inputs that are in work. Full means refused at once, before anything was spent on the request. One free
 * place admits a request, which may alone be larger than the bound, unless it asks for room for all it has; so the number
 * is bounded by `inputsMax` plus one request.
 */
export class Admission {
  readonly #inputsMax: number;
  readonly #patientMax: number;
  readonly #onShed: (inputs: number) => void;
  /** In the order they came. */
  readonly #waiting = new Set<() => void>();
  #inputs = 0;

  constructor(inputsMax: number, onShed: (inputs: number) => void) {
    this.#inputsMax = inputsMax;
    this.#patientMax = Math.max(1, Math.floor(inputsMax * patientShare));
    this.#onShed = onShed;
  }

  /** Inputs in work. */
  get inputs(): number {
    return this.#inputs;
  }

  /** Throws `overloaded` when too much is in work already. The words are text-embeddings-inference's. */
  enter(inputs: number, isWhole = false): void {
    this.#require(isWhole ? inputs : 1, inputs);
    this.#inputs += inputs;
  }

  /** The same before the request is read, so that refusing costs next to nothing; admits nothing yet. */
  requireRoom(): void {
    this.#require(1, 1);
  }

  /** For messages of streams, whose windows bound how many wait: waits for its turn instead of throwing. */
  async enterInTurn(inputs: number, signal: CallSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#waiting.size > 0 || this.#inputs >= this.#patientMax) {
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => {
          this.#waiting.delete(admit);
          reject(signal.reason);
        };
        const admit = (): void => {
          signal.removeEventListener("abort", abort);
          this.#inputs += inputs;
          resolve();
        };
        signal.addEventListener("abort", abort, { once: true });
        this.#waiting.add(admit);
      });
    } else {
      this.#inputs += inputs;
    }
  }

  leave(inputs: number): void {
    this.#inputs -= inputs;
    for (const admit of this.#waiting) {
      if (this.#inputs >= this.#patientMax) return;
      this.#waiting.delete(admit);
      admit();
    }
  }

  #require(places: number, inputs: number): void {
    if (this.#inputs + places <= this.#inputsMax) return;
    this.#onShed(inputs);
    throw overloaded;
  }
}
