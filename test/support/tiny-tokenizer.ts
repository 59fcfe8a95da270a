const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const words = "cat dog bird fish tree river stone cloud red blue green fast slow bright dark song";

/** Tokens by their ids: special ones first. */
export const tinyVocabulary: readonly string[] = [...special, ...words.split(" ")];

/** A tokenizer.json of whole words in the manner of BERT: `[CLS] a [SEP]`, `[CLS] a [SEP] b [SEP]`. */
export const tinyTokenizer: object = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: special.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0)],
    pair: [
      token("[CLS]", 0),
      sequence("A", 0),
      token("[SEP]", 0),
      sequence("B", 1),
      token("[SEP]", 1),
    ],
    special_tokens: Object.fromEntries(
      ["[CLS]", "[SEP]"].map((id) => [id, { id, ids: [special.indexOf(id)], tokens: [id] }]),
    ),
  },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(tinyVocabulary.map((word, id) => [word, id])),
  },
};

function token(id: string, type_id: number): object {
  return { SpecialToken: { id, type_id } };
}

function sequence(id: string, type_id: number): object {
  return { Sequence: { id, type_id } };
}
