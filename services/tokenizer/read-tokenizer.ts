import { readFileSync } from "node:fs";
import { Tokenizer, templateProcessing } from "tokenizers";
import { z } from "zod";
import { invalid, reading } from "../../lib/invalid-file.js";
import { ConfinedFolder } from "../../lib/model-folder/confined-folder.js";
import { type PostProcessor, readPostProcessor } from "./post-processor.js";
import type { Side } from "./truncation.js";

/** A tokenizer.json in two parts: what makes tokens of a text, and what is done with them. */
export interface ReadTokenizer {
  /** Neither cuts nor pads, adds no special tokens, and leaves offsets as they are. */
  readonly native: Tokenizer;
  readonly json: unknown;
  readonly postProcessor: PostProcessor;
  /** Which end is cut off when a call does not say. */
  readonly side: Side;
  readonly specialIds: ReadonlySet<number>;
}

const name = "tokenizer.json";
const schema = z.object({
  truncation: z.object({ direction: z.enum(["Left", "Right"]).nullish() }).nullish(),
  added_tokens: z.array(z.object({ id: z.int().min(0), special: z.boolean() })).nullish(),
  post_processor: z.unknown(),
});

/** Reads the tokenizer.json of a model's folder. */
export function readTokenizer(path: string): ReadTokenizer {
  const file = new ConfinedFolder(path).require(name);
  const text = reading(name, () => readFileSync(file, "utf8"));
  const native = parse(text);
  const json: unknown = JSON.parse(text);
  const said = schema.parse(json);
  native.disablePadding();
  native.disableTruncation();
  native.setPostProcessor(templateProcessing("$A", "$A $B:1"));
  const added = said.added_tokens ?? [];
  return {
    native,
    json,
    postProcessor: readPostProcessor(said.post_processor),
    side: said.truncation?.direction === "Left" ? "left" : "right",
    specialIds: new Set(added.filter(({ special }) => special).map(({ id }) => id)),
  };
}

function parse(text: string): Tokenizer {
  try {
    return Tokenizer.fromString(text);
  } catch (cause) {
    throw invalid(name, "is no tokenizer", cause);
  }
}
