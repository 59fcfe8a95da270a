import { MeshError } from "../../lib/errors.js";

const retryAfterMs = 1_000;

/**
 * Counts the inputs that are in work. Full means refused at once, before anything was spent on the request. One free
 * place admits a request, which may alone be larger than the bound, unless it asks for room for all it has; so the number
 * is bounded by `inputsMax` plus one request.
 */
export class Admission {
  readonly #inputsMax: number;
  readonly #onShed: (inputs: number) => void;
  #inputs = 0;

  constructor(inputsMax: number, onShed: (inputs: number) => void) {
    this.#inputsMax = inputsMax;
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

  leave(inputs: number): void {
    this.#inputs -= inputs;
  }

  #require(places: number, inputs: number): void {
    if (this.#inputs + places <= this.#inputsMax) return;
    this.#onShed(inputs);
    throw new MeshError("overloaded", "Model is overloaded", { retryAfterMs });
  }
}
