import type { Encoding } from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";

/** A token in the words of text-embeddings-inference; offsets count bytes, and special tokens have none. */
export interface SimpleToken {
  readonly id: number;
  readonly text: string;
  readonly special: boolean;
  readonly start: number | null;
  readonly stop: number | null;
}

/** The tokens of one text, which was encoded with offsets. */
export function toSimpleTokens(encoding: Encoding): readonly SimpleToken[] {
  const { ids, tokens, pieces, offsets } = encoding;
  return ids.map((id, at) => {
    if (encoding.special[at]) {
      return { id, text: tokens[at] ?? "", special: true, start: null, stop: null };
    }
    const { start = 0, end: stop = 0 } = offsets[at] ?? {};
    return { id, text: pieces[at] ?? "", special: false, start, stop };
  });
}
