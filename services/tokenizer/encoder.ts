import { readFileSync } from "node:fs";
import { type JsEncoding, Tokenizer } from "tokenizers";
import { MeshError } from "../../lib/errors.js";
import { invalid, reading } from "../../lib/invalid-file.js";
import { ConfinedFolder } from "../../lib/model-folder/confined-folder.js";

interface Job {
  readonly texts: readonly string[];
  resolve(encodings: readonly JsEncoding[]): void;
  reject(reason: unknown): void;
}

/**
 * Hugging Face's own tokenizer (Rust), which works on threads of its own. A lone `encode` costs several times the
 * tokenization itself, so what arrives in the same turn of the event loop goes there together.
 */
export class Encoder {
  readonly #tokenizer: Tokenizer;
  readonly #addSpecialTokens: boolean;
  readonly #bound: WaitingBound;
  #jobs: Job[] = [];

  constructor(tokenizer: Tokenizer, addSpecialTokens: boolean, bound: WaitingBound) {
    this.#tokenizer = tokenizer;
    this.#addSpecialTokens = addSpecialTokens;
    this.#bound = bound;
  }

  /** Shape [texts]; rejects with `overloaded` when too many texts wait. */
  encode(texts: readonly string[]): Promise<readonly JsEncoding[]> {
    this.#bound.enter(texts.length);
    return new Promise<readonly JsEncoding[]>((resolve, reject) => {
      if (this.#jobs.length === 0) setImmediate(() => void this.#flush());
      this.#jobs.push({ texts, resolve, reject });
    }).finally(() => this.#bound.leave(texts.length));
  }

  async #flush(): Promise<void> {
    const jobs = this.#jobs;
    this.#jobs = [];
    try {
      const encodings = await this.#tokenizer.encodeBatch(
        jobs.flatMap((job) => job.texts),
        { addSpecialTokens: this.#addSpecialTokens },
      );
      let from = 0;
      for (const job of jobs) {
        job.resolve(encodings.slice(from, from + job.texts.length));
        from += job.texts.length;
      }
    } catch (cause) {
      const error = new MeshError("internal", "the tokenizer failed", { cause });
      for (const job of jobs) job.reject(error);
    }
  }
}

/** Counts the texts in work over all encoders of a service. */
export class WaitingBound {
  readonly #textsMax: number;
  #texts = 0;

  constructor(textsMax: number) {
    this.#textsMax = textsMax;
  }

  enter(texts: number): void {
    if (this.#texts >= this.#textsMax) {
      throw new MeshError("overloaded", "too many texts wait for the tokenizer", {
        retryAfterMs: 1_000,
      });
    }
    this.#texts += texts;
  }

  leave(texts: number): void {
    this.#texts -= texts;
  }
}

/** Reads tokenizer.json without its padding, cutting on the right at `tokensMax` or not at all. */
export function readTokenizer(path: string, tokensMax: number | undefined): Tokenizer {
  const tokenizer = parse(path);
  tokenizer.disablePadding();
  if (tokensMax === undefined) tokenizer.disableTruncation();
  else tokenizer.setTruncation(tokensMax);
  return tokenizer;
}

function parse(path: string): Tokenizer {
  const name = "tokenizer.json";
  const file = new ConfinedFolder(path).require(name);
  const text = reading(name, () => readFileSync(file, "utf8"));
  try {
    return Tokenizer.fromString(text);
  } catch (cause) {
    throw invalid(name, "is no tokenizer", cause);
  }
}
