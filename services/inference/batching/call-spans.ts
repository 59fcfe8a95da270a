import type { MeshError } from "../../../lib/errors.js";
import type { Span } from "../../../lib/tracing/span.js";

/** What a call of several rows shows of its wait: a span until the last of them runs. */
export class CallSpans {
  /** The call's own, which all others of it are below. */
  readonly trace: Span;
  #waiting: number;
  #queue: Span;

  constructor(trace: Span, rows: number) {
    this.trace = trace;
    this.#waiting = rows;
    this.#queue = trace.begin("queue");
    this.#queue.set("arrowmesh.inputs", rows);
  }

  /** So many of its rows ran from then on. */
  began(rows: number, atMs: number): void {
    this.#waiting -= rows;
    if (this.#waiting === 0) this.#queue.end(undefined, atMs);
  }

  /** So many of its rows, whose worker died, wait again. */
  putBack(rows: number): void {
    if (this.#waiting === 0) {
      this.#queue = this.trace.begin("queue");
      this.#queue.set("arrowmesh.inputs", rows);
    }
    this.#waiting += rows;
  }

  /** Nothing of it waits any more. */
  ended(error: MeshError | undefined): void {
    this.#queue.end(error);
  }
}
