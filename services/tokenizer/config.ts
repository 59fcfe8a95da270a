import { type ConfigOf, flag, integer } from "../../lib/config.js";
import { modelSchema } from "../../lib/model-config.js";

export const tokenizerSchema = {
  port: {
    env: "TOKENIZER_PORT",
    doc: "port of this service when it has a process of its own",
    parse: integer({ min: 0, max: 65_535 }),
    fallback: 50_051,
  },
  ...modelSchema,
  truncate: {
    env: "TRUNCATE",
    doc: "whether a text over the model's token limit is cut, when the request does not say",
    parse: flag(),
    fallback: true,
  },
  modelsMax: {
    env: "TOKENIZER_MODELS_MAX",
    doc: "tokenizers that are kept open; the one not used for longest is closed",
    parse: integer({ min: 1, max: 1_024 }),
    fallback: 32,
  },
  callTextsMax: {
    env: "TOKENIZER_CALL_TEXTS_MAX",
    doc: "texts of one call",
    parse: integer({ min: 1, max: 65_536 }),
    fallback: 2_048,
  },
  waitingTextsMax: {
    env: "TOKENIZER_WAITING_TEXTS_MAX",
    doc: "texts that wait at once, at which calls are refused as overload",
    parse: integer({ min: 1, max: 65_536 }),
    fallback: 4_096,
  },
  waitingCharactersMax: {
    env: "TOKENIZER_WAITING_CHARACTERS_MAX",
    doc: "characters that wait at once, at which calls are refused as overload",
    parse: integer({ min: 1_024, max: 1_073_741_824 }),
    fallback: 67_108_864,
  },
  cacheBytesMax: {
    env: "TOKENIZER_CACHE_BYTES",
    doc: "bytes of encodings that are remembered, of texts that the library had to encode; 0 remembers none",
    parse: integer({ min: 0, max: 1_099_511_627_776 }),
    fallback: 16_777_216,
  },
  streamWindow: {
    env: "TOKENIZER_STREAM_WINDOW",
    doc: "requests of a stream that are worked on at once",
    parse: integer({ min: 1, max: 4_096 }),
    fallback: 64,
  },
} as const;

export type TokenizerConfig = ConfigOf<typeof tokenizerSchema>;
