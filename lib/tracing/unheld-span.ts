import type { Context, SpanContext } from "@opentelemetry/api";
import type { Span, SpanOptions } from "./span.js";

/** One span too many: nothing of it is kept, and what begins below it hangs on the last that is. */
export class UnheldSpan implements Span {
  readonly isRecording = false;
  readonly #held: Span;

  constructor(held: Span) {
    this.#held = held;
  }

  get traceId(): string | undefined {
    return this.#held.traceId;
  }

  get isSampled(): boolean {
    return this.#held.isSampled;
  }

  begin(name: string, options?: SpanOptions): Span {
    return this.#held.begin(name, options);
  }

  beginShared(name: string, options?: SpanOptions): Span {
    return this.#held.beginShared(name, options);
  }

  share(shared: Span): void {
    this.#held.share(shared);
  }

  set(): void {}
  describe(): void {}
  describeBy(): void {}
  link(): void {}
  end(): void {}

  keep(): void {
    this.#held.keep();
  }

  exemplarId(...seen: Parameters<Span["exemplarId"]>): string | undefined {
    return this.#held.exemplarId(...seen);
  }

  toContext(): Context | undefined {
    return this.#held.toContext();
  }

  toSpanContext(): SpanContext | undefined {
    return this.#held.toSpanContext();
  }
}
