import type { Clock } from "../clock.js";
import { MeshError } from "../errors.js";

/** Ends a transfer of which nothing more comes. Only waiting for the network counts, not what is done in between. */
export class IdleWatch {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #idleMsMax: number;
  readonly #outer: AbortSignal;
  /** Aborts when the hub is silent for too long, or when the whole pull ends. */
  readonly signal: AbortSignal;

  constructor(options: { clock: Clock; idleMsMax: number; signal: AbortSignal }) {
    this.#clock = options.clock;
    this.#idleMsMax = options.idleMsMax;
    this.#outer = options.signal;
    this.signal = AbortSignal.any([this.#controller.signal, options.signal]);
  }

  /** One wait for the network; its failure is a MeshError that names `host` and nothing secret. */
  async wait<T>(host: string, start: () => Promise<T>): Promise<T> {
    const stop = this.#clock.at(this.#clock.nowMs() + this.#idleMsMax, () =>
      this.#controller.abort(),
    );
    try {
      return await start();
    } catch (error) {
      this.#outer.throwIfAborted();
      if (this.#controller.signal.aborted) {
        throw new MeshError("deadline", `${host} sent nothing for ${this.#idleMsMax} ms`);
      }
      throw new MeshError("unavailable", `${host} failed: ${reasonOf(error)}`, { cause: error });
    } finally {
      stop();
    }
  }

  /** The same bytes; each piece is waited for under the deadline. */
  watch(host: string, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    return new ReadableStream(
      {
        pull: async (controller) => {
          const { done, value } = await this.wait(host, () => reader.read());
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      // Nothing is read ahead of its consumer.
      { highWaterMark: 0 },
    );
  }
}

/** fetch hides what happened in the cause; of that, the code or the message. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  return "code" in cause ? String(cause.code) : cause.message;
}
