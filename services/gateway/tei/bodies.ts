import { z } from "zod";
import {
  boolean,
  type Content,
  list,
  oneOf,
  optional,
  type Shape,
  string,
  struct,
  untagged,
  type ValueOf,
  wholeNumber,
} from "../http/json-shapes.js";
import type { Input } from "../operations/order.js";
import { predictInputs } from "./predict-inputs.js";

// Fields and names are those of text-embeddings-inference; unknown fields are skipped.

const direction = oneOf(["Left", "left", "Right", "right"]);
const ids = z.array(z.int().min(0).max(0xffff_ffff));

/** A text, a list of token ids, or a list of either. */
const inputs: Shape<readonly Input[]> = untagged(
  "Input",
  (content) => {
    const one = toInput(content);
    if (one !== undefined) return [one];
    return content.kind === "list" ? allOf(content.items, toInput) : undefined;
  },
  z.union([z.string(), ids, z.array(z.union([z.string(), ids]))]),
);

const truncation = {
  truncate: optional(boolean),
  truncation_direction: optional(direction),
};

const tokenVectors = { inputs, ...truncation, prompt_name: optional(string) };

export const embedBody = struct("EmbedRequest", {
  ...tokenVectors,
  normalize: optional(boolean),
  dimensions: optional(wholeNumber),
});

export const embedAllBody = struct("EmbedAllRequest", tokenVectors);

export const embedSparseBody = struct("EmbedSparseRequest", tokenVectors);

const predictFields = struct("PredictRequest", {
  inputs: { ...predictInputs, isOptional: true },
  text: optional(string),
  ...truncation,
  raw_scores: optional(boolean),
  top_k: optional(wholeNumber),
  parameters: optional(
    struct("PredictParameters", {
      top_k: optional(wholeNumber),
      function_to_apply: optional(oneOf(["softmax", "sigmoid", "none"])),
    }),
  ),
});

/** Either `inputs`, or `text` for the short form that text-embeddings-inference does not have. */
export const predictBody: Shape<ValueOf<typeof predictFields>> = {
  read(cursor) {
    const body = predictFields.read(cursor);
    if (body.inputs !== undefined || body.text !== undefined) return body;
    throw cursor.data("missing field `inputs`");
  },
  schema: predictFields.schema,
};

export const rerankBody = struct("RerankRequest", {
  query: string,
  texts: list(string),
  ...truncation,
  raw_scores: optional(boolean),
  return_text: optional(boolean),
});

export const similarityBody = struct("SimilarityRequest", {
  inputs: struct("SimilarityInput", { source_sentence: string, sentences: list(string) }),
  parameters: optional(
    struct("SimilarityParameters", { ...truncation, prompt_name: optional(string) }),
  ),
});

export const tokenizeBody = struct("TokenizeRequest", {
  inputs: untagged(
    "TokenizeInput",
    (content) => {
      if (content.kind === "string") return [content.value];
      return content.kind === "list" ? allOf(content.items, toText) : undefined;
    },
    z.union([z.string(), z.array(z.string())]),
  ),
  add_special_tokens: optional(boolean),
  prompt_name: optional(string),
});

export const decodeBody = struct("DecodeRequest", {
  ids: untagged(
    "InputIds",
    (content) => {
      const one = toIds(content);
      if (one !== undefined) return [one];
      return content.kind === "list" ? allOf(content.items, toIds) : undefined;
    },
    z.union([ids, z.array(ids)]),
  ),
  skip_special_tokens: optional(boolean),
});

/** Each instance is the body of another route, read once that route is known. */
export const vertexBody = struct("VertexRequest", {
  instances: list<Buffer>({
    read: (cursor) => cursor.rawOf(() => cursor.skip()),
    schema: z.record(z.string(), z.unknown()),
  }),
});

/** What is cut off an input that is too long, in the words of the operations. */
export function readTruncation(body: {
  readonly truncate: boolean | undefined;
  readonly truncation_direction: ValueOf<typeof direction> | undefined;
}): { truncate: boolean | undefined; truncationSide: "left" | "right" } {
  const isLeft = body.truncation_direction?.toLowerCase() === "left";
  return { truncate: body.truncate, truncationSide: isLeft ? "left" : "right" };
}

function toInput(content: Content): Input | undefined {
  if (content.kind === "string") return content.value;
  const found = toIds(content);
  return found === undefined ? undefined : { ids: found };
}

function toText(content: Content): string | undefined {
  return content.kind === "string" ? content.value : undefined;
}

function toIds(content: Content): readonly number[] | undefined {
  return content.kind === "list" ? allOf(content.items, toId) : undefined;
}

function toId(content: Content): number | undefined {
  const isId =
    content.kind === "number" &&
    content.isInteger &&
    content.value >= 0 &&
    content.value <= 0xffff_ffff;
  return isId ? content.value : undefined;
}

/** Undefined unless every item is one. */
function allOf<T>(
  items: readonly Content[],
  toItem: (content: Content) => T | undefined,
): readonly T[] | undefined {
  const found: T[] = [];
  for (const content of items) {
    const item = toItem(content);
    if (item === undefined) return undefined;
    found.push(item);
  }
  return found;
}
