import type { JsEncoding, Tokenizer } from "tokenizers";
import { MeshError } from "../../lib/errors.js";
import type { TokenRow } from "./token-row.js";

/** One text on its way. */
interface Item {
  readonly text: string;
  readonly isPlaced: boolean;
  resolve(row: TokenRow): void;
  reject(reason: unknown): void;
}

/** Texts that go to the library in calls of their own kind, so that a long one holds no short one up. */
interface Lane {
  readonly callsMax: number;
  readonly textsMax: number;
  /** Of one call, but for a text that is longer by itself. */
  readonly charactersMax: number;
  readonly waiting: Item[];
  calls: number;
}

const longCharacters = 8_192;

/**
 * Hugging Face's own tokenizer (Rust). Its calls run on Node's pool of four threads, which files and names need as well,
 * so at most three run at once. A call costs several times the tokenization of a short text; so what arrives while calls
 * are running goes together.
 */
export class NativeEncoder {
  readonly #native: Tokenizer;
  readonly #short: Lane = {
    callsMax: 2,
    textsMax: 256,
    charactersMax: 32_768,
    waiting: [],
    calls: 0,
  };
  readonly #long: Lane = {
    callsMax: 1,
    textsMax: 1,
    charactersMax: 1,
    waiting: [],
    calls: 0,
  };
  #isScheduled = false;

  constructor(native: Tokenizer) {
    this.#native = native;
  }

  /** Rejects with `invalid` when the tokenizer has no tokens for the text. */
  encode(text: string, isPlaced: boolean): Promise<TokenRow> {
    return new Promise((resolve, reject) => {
      const lane = text.length > longCharacters ? this.#long : this.#short;
      lane.waiting.push({ text, isPlaced, resolve, reject });
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      // The other texts of a request come before this runs; those of other requests come while calls are running.
      queueMicrotask(() => {
        this.#isScheduled = false;
        for (const each of [this.#short, this.#long]) this.#start(each);
      });
    });
  }

  #start(lane: Lane): void {
    while (lane.calls < lane.callsMax && lane.waiting.length > 0) {
      lane.calls += 1;
      void this.#run(take(lane)).finally(() => {
        lane.calls -= 1;
        this.#start(lane);
      });
    }
  }

  /** Settles every item. */
  async #run(items: readonly Item[]): Promise<void> {
    try {
      const encodings = await this.#call(items);
      for (const [index, item] of items.entries()) {
        item.resolve(toRow(encodings[index] as JsEncoding, item.isPlaced));
      }
    } catch (cause) {
      // One of them is to blame, and the others are not to suffer.
      if (items.length > 1) for (const item of items) await this.#run([item]);
      else items[0]?.reject(noTokens(cause));
    }
  }

  /** A batch is spread over the cores, which takes another thread hop. */
  async #call(items: readonly Item[]): Promise<readonly JsEncoding[]> {
    const [first, ...others] = items;
    if (first === undefined) return [];
    if (others.length === 0) return [await this.#native.encode(first.text, null, bare)];
    const texts = items.map(({ text }) => text);
    return await this.#native.encodeBatch(texts, bare);
  }
}

function noTokens(cause: unknown): MeshError {
  return new MeshError("invalid", "the tokenizer has no tokens for the text", { cause });
}

const bare = { addSpecialTokens: false };

function take({ waiting, textsMax, charactersMax }: Lane): Item[] {
  let characters = 0;
  const over = waiting.findIndex(({ text }, index) => {
    characters += text.length;
    return index > 0 && (index === textsMax || characters > charactersMax);
  });
  return waiting.splice(0, over < 0 ? waiting.length : over);
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
