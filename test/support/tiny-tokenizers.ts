/** A tokenizer.json with every field, of which each kind below has its own. */
function tokenizerJson(over: object): object {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [added("<s>", 0), added("</s>", 1), added("<mask>", 2, { lstrip: true })],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...over,
  };
}

function added(content: string, id: number, over: object = {}): object {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return { id, content, ...flags, special: true, ...over };
}

const reserved = ["<s>", "</s>", "<mask>"];
const letters = [..."abcdefghijklmnopqrstuvwxyz"];

/** Ids of pieces, in their order. */
function vocabularyOf(pieces: readonly string[]): Record<string, number> {
  return Object.fromEntries([...new Set(pieces)].map((piece, id) => [piece, id]));
}

/** Merges that make each word from its letters, left to right, and all that comes up on the way. */
function mergesOf(words: readonly string[]): [string, string][] {
  const merges = new Map<string, [string, string]>();
  for (const word of words) {
    const [first = "", ...rest] = [...word];
    let whole = first;
    for (const next of rest) {
      merges.set(`${whole} ${next}`, [whole, next]);
      whole += next;
    }
  }
  return [...merges.values()];
}

function bpeModel(alphabet: readonly string[], words: readonly string[], over: object): object {
  const merges = mergesOf(words);
  return {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: vocabularyOf([...reserved, ...alphabet, ...merges.map((pair) => pair.join(""))]),
    merges,
    ...over,
  };
}

/** How GPT-2 writes each byte as a character. */
const byteAlphabet: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  const isShown = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
  let hidden = 0;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(isShown(byte) ? byte : 256 + hidden++),
  );
}

/** As GPT-2, RoBERTa and Llama 3 have it: bytes, and words with their space before them. */
export const byteLevelBpe: object = tokenizerJson({
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  post_processor: {
    type: "RobertaProcessing",
    sep: ["</s>", 1],
    cls: ["<s>", 0],
    trim_offsets: true,
    add_prefix_space: true,
  },
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: bpeModel(
    byteAlphabet,
    ["\u0120the", "\u0120cat", "ing", "\u0120\u0120\u0120", "\u00c3\u00a9"],
    {},
  ),
});

/** As Llama 2 and Mistral have it: what is not in the vocabulary becomes bytes. */
export const byteFallbackBpe: object = tokenizerJson({
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "\u2581" },
      { type: "Replace", pattern: { String: " " }, content: "\u2581" },
    ],
  },
  post_processor: template([["<s>", 0]], []),
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "\u2581" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
  model: bpeModel(
    [
      ...Array.from(
        { length: 256 },
        (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
      ),
      "\u2581",
      ...letters,
    ],
    ["\u2581the", "\u2581cat", "ing"],
    { fuse_unk: true, byte_fallback: true, unk_token: "<s>" },
  ),
});

/** As XLM-RoBERTa and T5 have it; what is not in the vocabulary is unknown. */
export const unigram: object = tokenizerJson({
  truncation: { direction: "Left", max_length: 512, strategy: "LongestFirst", stride: 0 },
  normalizer: { type: "NFKC" },
  pre_tokenizer: {
    type: "Metaspace",
    replacement: "\u2581",
    prepend_scheme: "always",
    split: true,
  },
  post_processor: template([["<s>", 0]], [["</s>", 1]]),
  decoder: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always", split: true },
  model: {
    type: "Unigram",
    unk_id: 2,
    byte_fallback: false,
    vocab: [
      ...reserved.map((piece) => [piece, 0]),
      ...["\u2581", ...letters, "."].map((piece, index) => [piece, -6 - index / 10]),
      ...["\u2581the", "\u2581cat", "ing", "\u00e9"].map((piece, index) => [
        piece,
        -3 - index / 10,
      ]),
    ],
  },
});

/** As Llama 3 has it: offsets without spaces first, then the special tokens. */
export const byteLevelTemplate: object = {
  ...byteLevelBpe,
  post_processor: {
    type: "Sequence",
    processors: [
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      template([["<s>", 0]], []),
    ],
  },
};

/** No special tokens at all. */
export const bareBpe: object = { ...byteLevelBpe, post_processor: null };

/** Whole words, and nothing for words that it does not know: not even a token that says so. */
export const wordLevel: object = tokenizerJson({
  pre_tokenizer: { type: "Whitespace" },
  model: {
    type: "WordLevel",
    unk_token: "[UNK]",
    vocab: vocabularyOf([...reserved, "cat", "dog"]),
  },
});

type Special = readonly [token: string, id: number];

/** Special tokens around each text, the second text and what follows it of type 1. */
function template(before: readonly Special[], after: readonly Special[]): object {
  const tokens = (specials: readonly Special[], type_id: number) =>
    specials.map(([id]) => ({ SpecialToken: { id, type_id } }));
  const single = [...tokens(before, 0), { Sequence: { id: "A", type_id: 0 } }, ...tokens(after, 0)];
  return {
    type: "TemplateProcessing",
    single,
    pair: [...single, { Sequence: { id: "B", type_id: 1 } }, ...tokens(after, 1)],
    special_tokens: Object.fromEntries(
      [...before, ...after].map(([token, id]) => [
        token,
        { id: token, ids: [id], tokens: [token] },
      ]),
    ),
  };
}
