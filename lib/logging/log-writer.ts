import { write, writeSync } from "node:fs";
import type { Clock } from "../clock.js";

/** Where lines go. */
export interface LogTarget {
  /** The descriptor for what is written next, opened if need be; throws when that cannot be done. */
  open(): number;
  wrote(bytes: number): void;
}

export interface LogWriterEvents {
  /** Nothing can be written for now. Said once, until something is written again. */
  failed(error: Error): void;
  /** So many lines found no room; said when there is room again. */
  dropped(lines: number): void;
}

/** Lines go out together: a system call for each cost 8 % of the main thread under load. */
const charactersTogether = 4_096;
/** But no line waits for longer than that. */
const waitMsMax = 100;
/** Characters that wait for a slow reader or a full disk; lines beyond are dropped. */
const waitingCharactersMax = 1 << 20;
/** How long a pipe that is full gets before it is tried again. */
const busyWaitMs = 50;
/** The same for a disk that is full, or a file that cannot be opened. */
const failedWaitMs = 1_000;
/** At the end of the process a reader gets so many more chances, as long as each. */
const lastChances = 20;

/**
 * Writes lines without blocking the event loop, whole and in order. Whatever its target does, the process lives, and what
 * waits has a bound. sonic-boom, pino's own, has no such end: its `flushSync` never returns when the disk is full.
 */
export class LogWriter {
  readonly #target: LogTarget;
  readonly #clock: Clock;
  readonly #events: LogWriterEvents;
  #waiting = "";
  /** What is on its way out, or could not be written yet. */
  #leaving: Buffer | undefined;
  #descriptor: number | undefined;
  /** Whether the beginning of `#leaving` is out: a line does not continue in another file. */
  #isPartlyOut = false;
  #isWriting = false;
  #isFailing = false;
  #hasEnded = false;
  #droppedLines = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(target: LogTarget, clock: Clock, events: LogWriterEvents) {
    this.#target = target;
    this.#clock = clock;
    this.#events = events;
  }

  write(line: string): void {
    if (this.#waiting.length + line.length > waitingCharactersMax) {
      this.#droppedLines += 1;
      return;
    }
    this.#waiting += line;
    if (this.#hasEnded) this.#writeNow();
    else if (this.#waiting.length >= charactersTogether && !this.#isFailing) this.#send();
    else this.#sendWithin(waitMsMax);
  }

  /** Writes what waits before it returns, as far as that can be done; lines that come later are written at once. */
  end(): void {
    this.#hasEnded = true;
    this.#cancelTimer?.();
    this.#writeNow();
  }

  #sendWithin(waitMs: number): void {
    if (this.#hasEnded) return;
    this.#cancelTimer ??= this.#clock.at(this.#clock.nowMs() + waitMs, () => {
      this.#cancelTimer = undefined;
      this.#send();
    });
  }

  #send(): void {
    if (this.#isWriting) return;
    const leaving = this.#load();
    if (leaving === undefined) return;
    try {
      const descriptor = this.#open();
      this.#isWriting = true;
      write(descriptor, leaving, (error, bytes) => {
        this.#isWriting = false;
        if (error === null) this.#wrote(bytes);
        else this.#fail(error);
      });
    } catch (error) {
      // What opens files throws nothing else.
      this.#fail(error as NodeJS.ErrnoException);
    }
  }

  #open(): number {
    if (this.#descriptor === undefined || !this.#isPartlyOut) {
      this.#descriptor = this.#target.open();
    }
    return this.#descriptor;
  }

  /** What is to be written next, if anything is. */
  #load(): Buffer | undefined {
    if (this.#leaving === undefined && this.#waiting !== "") {
      this.#leaving = Buffer.from(this.#waiting);
      this.#waiting = "";
    }
    return this.#leaving;
  }

  #wrote(bytes: number): void {
    this.#unload(bytes);
    this.#isFailing = false;
    this.#tellDropped();
    if (this.#leaving !== undefined || this.#waiting.length >= charactersTogether) this.#send();
    else if (this.#waiting !== "") this.#sendWithin(waitMsMax);
  }

  #unload(bytes: number): void {
    this.#target.wrote(bytes);
    const rest = this.#leaving?.subarray(bytes);
    this.#isPartlyOut = rest !== undefined && rest.length > 0;
    this.#leaving = this.#isPartlyOut ? rest : undefined;
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (isBusy(error)) {
      this.#sendWithin(busyWaitMs);
      return;
    }
    if (!this.#isFailing) this.#events.failed(error);
    this.#isFailing = true;
    this.#sendWithin(failedWaitMs);
  }

  #tellDropped(): void {
    const lines = this.#droppedLines;
    if (lines === 0) return;
    this.#droppedLines = 0;
    this.#events.dropped(lines);
  }

  #writeNow(): void {
    // What a thread is writing at this moment gets out as well: Node waits for its threads before it ends.
    const left = this.#isWriting ? undefined : this.#leaving;
    let rest = Buffer.concat([left ?? Buffer.alloc(0), Buffer.from(this.#waiting)]);
    this.#waiting = "";
    if (!this.#isWriting) this.#leaving = undefined;
    for (let chances = lastChances; rest.length > 0 && chances > 0; ) {
      try {
        rest = rest.subarray(writeSync(this.#open(), rest));
        this.#isPartlyOut = rest.length > 0;
      } catch (error) {
        // Nobody is left to be told, and nothing to be tried.
        if (!isBusy(error as NodeJS.ErrnoException)) return;
        chances -= 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, busyWaitMs);
      }
    }
  }
}

/** A pipe whose reader is behind. */
function isBusy({ code }: NodeJS.ErrnoException): boolean {
  return code === "EAGAIN" || code === "EBUSY";
}
