import type { RerankStreamRequest } from "../../../../gen/tei/v1/tei_pb.js";
import { MeshError } from "../../../../lib/errors.js";
import type { CallContext } from "../../../../lib/rpc/call.js";
import type { StreamOptions } from "../../answer-each.js";
import { answerUntilError } from "../../answer-until-error.js";
import type { ModelName } from "../../operations/order.js";
import type { Ranked, Rerank, Reranked } from "../../operations/rerank.js";
import type { Timing, Usage } from "../../operations/work.js";
import { patiently } from "../../patiently.js";
import { orderOf } from "./order.js";

/** Texts of one stream: all of them are ranked at its end, so they have a bound. */
const streamTextsMax = 65_536;
/** Characters of the texts that an answer repeats. */
const returnedCharactersMax = 4_000_000;

export interface RankedStream {
  /** Highest score first. */
  readonly ranks: readonly (Ranked & { readonly text: string | undefined })[];
  readonly usage: Usage;
  readonly returnText: boolean;
}

/**
 * messages -> batches of one query -> ranks of all texts. Messages have a query and options each, but whether scores are
 * raw and texts come back is said by the first. All texts are ranked by the version that ranked the first.
 */
export function createRerankStream(
  rerank: Rerank,
  options: StreamOptions & {
    /** Of a batch. */
    readonly textsMax: number;
  },
): (requests: AsyncIterable<RerankStreamRequest>, context: CallContext) => Promise<RankedStream> {
  const { textsMax, clock } = options;
  const window = Math.max(1, Math.floor(options.window / textsMax));

  return async (requests, context) => {
    const batches = batchesOf(requests, textsMax);
    const { value: first, done } = await batches.next();
    if (done === true) throw new MeshError("empty", "`texts` cannot be empty");
    const [{ rawScores: isRaw, returnText }] = first.messages;
    const rank = async (batch: Batch, model: ModelName | undefined, inner: CallContext) => {
      const [{ query, ...said }] = batch.messages;
      const texts = batch.messages.map(({ text }) => text);
      const own = { query, texts, isRaw, inputsMax: textsMax };
      const order = Object.assign(orderOf(said, "streamed"), model, own);
      return { batch, answer: await rerank(order, inner) };
    };

    const startedAtMs = clock.nowMs();
    const sum = new Sum(returnText);
    const begun = await patiently(context, clock, () => rank(first, undefined, context));
    sum.add(begun);
    const { model, version } = begun.answer.usage;
    const rest = answerUntilError(batches, context, { window, clock }, (batch, inner) =>
      rank(batch, { model, version }, inner),
    );
    for await (const ranked of rest) sum.add(ranked);
    const totalMs = clock.nowMs() - startedAtMs;
    return { ...sum.result({ model, version }, totalMs), returnText };
  };
}

/** Consecutive messages that can be one request. */
interface Batch {
  /** Position of the first in the stream. */
  readonly from: number;
  readonly messages: readonly [RerankStreamRequest, ...RerankStreamRequest[]];
}

async function* batchesOf(
  requests: AsyncIterable<RerankStreamRequest>,
  textsMax: number,
): AsyncGenerator<Batch, undefined> {
  let from = 0;
  let messages: [RerankStreamRequest, ...RerankStreamRequest[]] | undefined;
  for await (const request of requests) {
    if (messages !== undefined && messages.length < textsMax && isAlike(messages[0], request)) {
      messages.push(request);
      continue;
    }
    if (messages !== undefined) {
      yield { from, messages };
      from += messages.length;
    }
    messages = [request];
    if (from >= streamTextsMax) {
      throw new MeshError("too_large", `more than ${streamTextsMax} texts in one stream`);
    }
  }
  if (messages !== undefined) yield { from, messages };
}

function isAlike(a: RerankStreamRequest, b: RerankStreamRequest): boolean {
  return (
    a.query === b.query &&
    a.truncate === b.truncate &&
    a.truncationDirection === b.truncationDirection
  );
}

/** What the batches of a stream come to. */
class Sum {
  readonly #returnText: boolean;
  readonly #ranks: (Ranked & { readonly text: string | undefined })[] = [];
  readonly #usages: Usage[] = [];
  #returnedCharacters = 0;

  constructor(returnText: boolean) {
    this.#returnText = returnText;
  }

  add({ batch, answer }: { readonly batch: Batch; readonly answer: Reranked }): void {
    for (const { index, score } of answer.ranks) {
      const text = this.#returnText ? batch.messages[index]?.text : undefined;
      this.#returnedCharacters += text?.length ?? 0;
      this.#ranks.push({ index: batch.from + index, score, text });
    }
    if (this.#returnedCharacters > returnedCharactersMax) {
      const reason = `the texts to return have more than ${returnedCharactersMax} characters`;
      throw new MeshError("too_large", reason);
    }
    this.#usages.push(answer.usage);
  }

  /** The parts of the time are those of a batch on average, for batches run beside each other. */
  result(model: ModelName, totalMs: number): Pick<RankedStream, "ranks" | "usage"> {
    const add = (count: (usage: Usage) => number): number =>
      this.#usages.reduce((total, usage) => total + count(usage), 0);
    const mean = (part: keyof Timing): number =>
      add(({ timing }) => timing[part]) / this.#usages.length;
    return {
      ranks: this.#ranks.toSorted((a, b) => b.score - a.score),
      usage: {
        ...model,
        tokenCounts: this.#usages.flatMap(({ tokenCounts }) => tokenCounts),
        tokens: add(({ tokens }) => tokens),
        characters: add(({ characters }) => characters),
        timing: {
          ...{ totalMs, tokenizationMs: mean("tokenizationMs") },
          ...{ queueMs: mean("queueMs"), computeMs: mean("computeMs") },
        },
      },
    };
  }
}
