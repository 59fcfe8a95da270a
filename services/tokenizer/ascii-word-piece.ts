import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { boundaries } from "./divide-text.js";
import { PieceTrie } from "./piece-trie.js";
import { RowBuilder } from "./row-builder.js";

/**
 * BERT's tokenizer for texts of printable ASCII, which most texts are: there it is short enough to be seen to be right,
 * and costs a tenth of the library, most of which is threads and copies. Anything else is the library's.
 */
export class AsciiWordPiece {
  readonly #starts = new PieceTrie();
  readonly #continuations = new PieceTrie();
  readonly #unknown: Unknown;
  readonly #wordLengthMax: number;
  readonly #isLowercase: boolean;
  /** Where texts of any kind may be cut and keep their tokens; undefined where an added token may reach over a cut. */
  readonly boundary: RegExp | undefined;
  readonly #addedToken: RegExp | undefined;
  readonly #tokens = new Map<number, string>();

  private constructor(
    { model, normalizer, added_tokens }: WordPieceJson,
    unknown: Unknown,
    addedToken: RegExp | undefined,
  ) {
    this.#unknown = unknown;
    this.#tokens.set(unknown.id, unknown.token);
    this.#wordLengthMax = model.max_input_chars_per_word;
    this.#isLowercase = normalizer?.lowercase ?? false;
    this.#addedToken = addedToken;
    const { spaces, spacesAndIdeographs } = boundaries;
    const isReaching = (added_tokens ?? []).some(
      ({ content, rstrip }) => rstrip === true || content.includes(" "),
    );
    const isApart = normalizer?.handle_chinese_chars === true;
    if (!isReaching) this.boundary = isApart ? spacesAndIdeographs : spaces;
  }

  /**
   * From a tokenizer.json, unless it is of another kind or has something that this class does not know. It takes many
   * turns of the event loop, each a short one.
   */
  static async read(json: unknown): Promise<AsciiWordPiece | undefined> {
    const read = schema.safeParse(json);
    if (!read.success) return undefined;
    const { model, added_tokens } = read.data;
    const { unk_token: token, vocab } = model;
    const id = Object.hasOwn(vocab, token) ? vocab[token] : undefined;
    if (id === undefined) return undefined;
    const contents = (added_tokens ?? []).flatMap(({ content }) =>
      content === "" ? [] : [content],
    );
    // A token that was added may be found in what the normalizer makes; of ASCII, it makes lower case at most.
    if (!contents.every((content) => printableAscii.test(content))) return undefined;
    const pattern = contents.map(escaped).join("|");
    const addedToken = pattern === "" ? undefined : new RegExp(pattern, "i");
    const tokenizer = new AsciiWordPiece(read.data, { token, id }, addedToken);
    await tokenizer.#learn(model);
    return tokenizer;
  }

  async #learn({
    vocab,
    continuing_subword_prefix: prefix,
  }: WordPieceJson["model"]): Promise<void> {
    let pieces = 0;
    for (const piece in vocab) {
      this.#addPiece(piece, vocab[piece] as number, prefix);
      pieces += 1;
      if (pieces % piecesPerTurn === 0) await setImmediate();
    }
  }

  #addPiece(piece: string, id: number, prefix: string): void {
    if (asciiWord.test(piece)) {
      this.#starts.add(piece, id);
      this.#tokens.set(id, piece);
    }
    const rest = piece.startsWith(prefix) ? piece.slice(prefix.length) : "";
    if (!asciiWord.test(rest)) return;
    this.#continuations.add(rest, id);
    this.#tokens.set(id, piece);
  }

  /** Whether the text is one for this class: no added token, such as [MASK], may stand in it either. */
  takes(text: string): boolean {
    return asciiText.test(text) && this.#addedToken?.test(text) !== true;
  }

  /** A row for texts that it takes. */
  createRow(isPlaced: boolean): RowBuilder {
    return new RowBuilder(isPlaced, this.#tokens);
  }

  /**
   * Adds the tokens of the words that begin in a part of the text, which must begin where a word does or between words.
   * Returns where the last of them ends.
   */
  encode(
    text: string,
    { from, to }: { readonly from: number; readonly to: number },
    row: RowBuilder,
  ): number {
    let at = from;
    while (at < to) {
      const kind = kindOf(text.charCodeAt(at));
      const start = at;
      at = kind === letter ? endOfWord(text, at + 1) : at + 1;
      if (kind !== space) this.#encodeWord(text, start, at, row);
    }
    return at;
  }

  /** The longest pieces from the left, or one unknown token when the rest of the word begins with none. */
  #encodeWord(text: string, start: number, end: number, row: RowBuilder): void {
    const before = row.length;
    let at = end - start > this.#wordLengthMax ? nowhere : start;
    while (at !== nowhere && at < end) at = this.#encodePiece(text, at, { start, end }, row);
    if (at !== nowhere) return;
    row.cutTo(before);
    row.add(this.#unknown.id, start, end);
  }

  /** Returns where the piece ends. */
  #encodePiece(text: string, from: number, word: Span, row: RowBuilder): number {
    const trie = from === word.start ? this.#starts : this.#continuations;
    let node = trie.root;
    let id: number | undefined;
    let end = nowhere;
    for (let at = from; at < word.end; at += 1) {
      const next = trie.next(node, this.#normal(text.charCodeAt(at)));
      if (next === undefined) break;
      node = next;
      const found = trie.idAt(node);
      if (found === undefined) continue;
      id = found;
      end = at + 1;
    }
    if (id !== undefined) row.add(id, from, end);
    return end;
  }

  #normal(unit: number): number {
    return this.#isLowercase && isUpper(unit) ? unit + 0x20 : unit;
  }
}

interface Unknown {
  readonly token: string;
  readonly id: number;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

const schema = z.object({
  normalizer: z
    .object({
      type: z.literal("BertNormalizer"),
      lowercase: z.boolean(),
      handle_chinese_chars: z.boolean().nullish(),
    })
    .nullish(),
  pre_tokenizer: z.object({ type: z.literal("BertPreTokenizer") }),
  added_tokens: z.array(z.object({ content: z.string(), rstrip: z.boolean().nullish() })).nullish(),
  model: z.object({
    type: z.literal("WordPiece"),
    unk_token: z.string(),
    continuing_subword_prefix: z.string(),
    max_input_chars_per_word: z.int().min(1),
    // Not a record of numbers: checking ten thousands of entries that way would hold everything else up.
    vocab: z.custom<Readonly<Record<string, number>>>(
      (vocab) => vocab !== null && typeof vocab === "object",
    ),
  }),
});
type WordPieceJson = z.infer<typeof schema>;

/** Control characters are left to the library, but for those that BERT takes for spaces. */
const asciiText = /^[\t\n\r\x20-\x7e]*$/;
const printableAscii = /^[\x20-\x7e]*$/;
/** What a word can be made of. */
const asciiWord = /^(?:[0-9A-Za-z]+|[!-~])$/;

/** Pieces that are learnt before other work has its turn. */
const piecesPerTurn = 2_048;

const nowhere = -1;

const space = 0;
const letter = 1;
const punctuation = 2;

/** Of a character of `asciiText`. Digits are letters here; every character of punctuation is a word. */
function kindOf(unit: number): typeof space | typeof letter | typeof punctuation {
  if (unit <= 0x20) return space;
  const isLetter =
    (unit >= 0x61 && unit <= 0x7a) || isUpper(unit) || (unit >= 0x30 && unit <= 0x39);
  return isLetter ? letter : punctuation;
}

function isUpper(unit: number): boolean {
  return unit >= 0x41 && unit <= 0x5a;
}

function endOfWord(text: string, from: number): number {
  let at = from;
  while (at < text.length && kindOf(text.charCodeAt(at)) === letter) at += 1;
  return at;
}

function escaped(content: string): string {
  return content.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
