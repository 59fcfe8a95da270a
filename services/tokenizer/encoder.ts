import type { JsEncoding, Tokenizer } from "tokenizers";
import { MeshError } from "../../lib/errors.js";
import type { TokenRow } from "./token-row.js";
import type { WaitingBound } from "./waiting-bound.js";

interface Job {
  readonly texts: readonly string[];
  readonly isPlaced: boolean;
  resolve(rows: readonly TokenRow[]): void;
  reject(reason: unknown): void;
}

/**
 * Hugging Face's own tokenizer (Rust), which works on threads of its own. A lone `encode` costs several times the
 * tokenization itself, so what arrives in the same turn of the event loop goes there together.
 */
export class Encoder {
  readonly #native: Tokenizer;
  readonly #bound: WaitingBound;
  #jobs: Job[] = [];

  constructor(native: Tokenizer, bound: WaitingBound) {
    this.#native = native;
    this.#bound = bound;
  }

  /** Shape [texts]; rejects with `overloaded` when too much waits. */
  encode(texts: readonly string[], isPlaced: boolean): Promise<readonly TokenRow[]> {
    const leave = this.#bound.enter(texts);
    return new Promise<readonly TokenRow[]>((resolve, reject) => {
      if (this.#jobs.length === 0) setImmediate(() => void this.#flush());
      this.#jobs.push({ texts, isPlaced, resolve, reject });
    }).finally(leave);
  }

  async #flush(): Promise<void> {
    const jobs = this.#jobs;
    this.#jobs = [];
    try {
      const encodings = await this.#native.encodeBatch(
        jobs.flatMap((job) => job.texts),
        { addSpecialTokens: false },
      );
      let from = 0;
      for (const job of jobs) {
        const own = encodings.slice(from, from + job.texts.length);
        from += job.texts.length;
        job.resolve(own.map((encoding) => toRow(encoding, job.isPlaced)));
      }
    } catch (cause) {
      const error = new MeshError("internal", "the tokenizer failed", { cause });
      for (const job of jobs) job.reject(error);
    }
  }
}

function toRow(encoding: JsEncoding, isPlaced: boolean): TokenRow {
  const ids = encoding.getIds();
  if (!isPlaced) return { ids, places: undefined };
  const offsets = encoding.getOffsets();
  return {
    ids,
    places: {
      tokens: encoding.getTokens(),
      starts: offsets.map(([start = 0]) => start),
      ends: offsets.map(([, end = 0]) => end),
    },
  };
}
