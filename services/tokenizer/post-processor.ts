import { z } from "zod";
import { invalid } from "../../lib/invalid-file.js";

/** A part of an encoding: the tokens of one text, or special tokens. */
export type Piece =
  | { readonly kind: "text"; readonly place: 0 | 1; readonly typeId: number }
  | {
      readonly kind: "special";
      readonly ids: readonly number[];
      readonly tokens: readonly string[];
      readonly typeId: number;
    };

/** What an encoding is made of, in order. */
export interface Form {
  readonly pieces: readonly Piece[];
  /** Special tokens of all pieces. */
  readonly specialTokens: number;
  /** Whether any token has a type id but 0. */
  readonly hasTypes: boolean;
}

/** What a tokenizer.json says should become of the tokens of one text, or of two. */
export interface PostProcessor {
  /** With special tokens or without, of one text or of a pair. */
  form(options: { readonly isSpecial: boolean; readonly isPair: boolean }): Form;
  /** Whether offsets leave out the spaces that byte-level tokens hold; how, if they do. */
  readonly trim: Trim | undefined;
}

export interface Trim {
  /** Whether the one space before the first token is the tokenizer's own and stays. */
  readonly addsPrefixSpace: boolean;
}

const typeId = z.int().min(0).nullish();
const templateSchema = z.array(
  z.union([
    z.object({ Sequence: z.object({ id: z.enum(["A", "B"]), type_id: typeId }) }),
    z.object({ SpecialToken: z.object({ id: z.string(), type_id: typeId }) }),
  ]),
);
const trimFields = {
  trim_offsets: z.boolean().default(true),
  add_prefix_space: z.boolean().default(true),
};
const tokenSchema = z.tuple([z.string(), z.int().min(0)]);
const stepSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("TemplateProcessing"),
    single: templateSchema,
    pair: templateSchema,
    special_tokens: z.record(
      z.string(),
      z.object({ ids: z.array(z.int().min(0)), tokens: z.array(z.string()) }),
    ),
  }),
  z.object({ type: z.literal("BertProcessing"), sep: tokenSchema, cls: tokenSchema }),
  z.object({
    type: z.literal("RobertaProcessing"),
    sep: tokenSchema,
    cls: tokenSchema,
    ...trimFields,
  }),
  z.object({ type: z.literal("ByteLevel"), ...trimFields }),
]);
type Step = z.infer<typeof stepSchema>;
const schema = z.union([
  stepSchema,
  z.object({ type: z.literal("Sequence"), processors: z.array(stepSchema) }),
]);

/** Reads `post_processor` of a tokenizer.json. Without one, tokens stay as they are. */
export function readPostProcessor(json: unknown): PostProcessor {
  const read = schema.nullish().safeParse(json);
  if (!read.success) {
    throw invalid("tokenizer.json", `post_processor: ${z.prettifyError(read.error)}`);
  }
  const said = read.data ?? undefined;
  const steps = said === undefined ? [] : said.type === "Sequence" ? said.processors : [said];
  const templates = steps.flatMap(templateOf);
  if (templates.length > 1) {
    throw invalid("tokenizer.json", "post_processor: more than one step adds special tokens");
  }
  const [{ single, pair } = plain] = templates;
  const forms = { single: formOf(single), pair: formOf(pair) };
  const bareForms = { single: formOf(single.filter(isText)), pair: formOf(pair.filter(isText)) };
  return {
    form({ isSpecial, isPair }) {
      const { single, pair } = isSpecial ? forms : bareForms;
      return isPair ? pair : single;
    },
    trim: steps.map(trimOf).find((trim) => trim !== undefined),
  };
}

interface Template {
  readonly single: readonly Piece[];
  readonly pair: readonly Piece[];
}

const first: Piece = { kind: "text", place: 0, typeId: 0 };
const plain: Template = { single: [first], pair: [first, { kind: "text", place: 1, typeId: 1 }] };

/** The template of a step that makes one; the families of models that came before templates are ones, too. */
function templateOf(step: Step): Template[] {
  if (step.type === "ByteLevel") return [];
  if (step.type === "TemplateProcessing") {
    const { single, pair, special_tokens } = step;
    return [{ single: piecesOf(single, special_tokens), pair: piecesOf(pair, special_tokens) }];
  }
  const isRoberta = step.type === "RobertaProcessing";
  const special = ([token, id]: readonly [string, number], typeId: number): Piece => ({
    kind: "special",
    ids: [id],
    tokens: [token],
    typeId,
  });
  const second = isRoberta ? 0 : 1;
  const single = [special(step.cls, 0), first, special(step.sep, 0)];
  const pair: Piece[] = [
    ...single,
    ...(isRoberta ? [special(step.sep, 0)] : []),
    { kind: "text", place: 1, typeId: second },
    special(step.sep, second),
  ];
  return [{ single, pair }];
}

type Specials = Extract<Step, { type: "TemplateProcessing" }>["special_tokens"];

function piecesOf(template: z.infer<typeof templateSchema>, specials: Specials): Piece[] {
  return template.map((piece): Piece => {
    if ("Sequence" in piece) {
      const { id, type_id } = piece.Sequence;
      return { kind: "text", place: id === "A" ? 0 : 1, typeId: type_id ?? 0 };
    }
    const { id, type_id } = piece.SpecialToken;
    const tokens = Object.hasOwn(specials, id) ? specials[id] : undefined;
    if (tokens === undefined) {
      throw invalid("tokenizer.json", `post_processor: no special token ${JSON.stringify(id)}`);
    }
    return { kind: "special", ...tokens, typeId: type_id ?? 0 };
  });
}

function trimOf(step: Step): Trim | undefined {
  if (step.type !== "ByteLevel" && step.type !== "RobertaProcessing") return undefined;
  return step.trim_offsets ? { addsPrefixSpace: step.add_prefix_space } : undefined;
}

function isText({ kind }: Piece): boolean {
  return kind === "text";
}

function formOf(pieces: readonly Piece[]): Form {
  const counts = pieces.map((piece) => (piece.kind === "special" ? piece.ids.length : 0));
  return {
    pieces,
    specialTokens: counts.reduce((total, count) => total + count, 0),
    hasTypes: pieces.some(({ typeId }) => typeId !== 0),
  };
}
