import {
  type CountRequest,
  type CountResponse,
  type DecodeRequest,
  type DecodeResponse,
  type EncodeRequest,
  type EncodeResponse,
  TokenizerService,
} from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import type { Clock } from "../../../lib/clock.js";
import { requireSet } from "../../../lib/rpc/answer-each.js";
import { type Binding, bind, type CallContext, type Channel } from "../../../lib/rpc/call.js";
import { answerEach } from "../answer-each.js";
import type { GatewayConfig } from "../config.js";
import type { Limiter } from "../limiter.js";
import type { ModelDirectory } from "../model-directory.js";
import { inTokenization, tokensOfAll } from "../operations/in-tokenization.js";
import type { ModelName } from "../operations/order.js";
import { readsText } from "../operations/tokenize.js";

/** The tokenizer's own contract at the edge -> take a request -> the version that is meant -> tokenizer */
export function createTokenizerGateway(
  { streamWindow }: Pick<GatewayConfig, "streamWindow">,
  deps: {
    readonly tokenizer: Channel;
    readonly directory: ModelDirectory;
    readonly limiter: Limiter;
    readonly clock: Clock;
  },
): Binding {
  const { directory, limiter, clock } = deps;
  const tokenizer = deps.tokenizer.client(TokenizerService);
  const stream = { window: streamWindow, clock };

  /** Names and labels mean here what they mean to every other call. */
  const passOn =
    <Q extends ModelName, R>(
      call: (request: Q, context: CallContext) => Promise<R>,
      count: {
        readonly inputs: (request: Q) => number;
        readonly tokens: (request: Q, answer: R) => number;
      },
    ) =>
    async (request: Q, context: CallContext): Promise<R> => {
      const known = directory.nameOf(request.model, readsText);
      return await limiter.withRequest(context, known, async () => {
        const found = await directory.resolve(request.model, request.version, readsText);
        const { name: model, version, revision } = found;
        const named = { ...request, model, version, revision };
        return await inTokenization(
          context,
          count.inputs(request),
          (inner) => call(named, inner),
          (answer) => count.tokens(request, answer),
        );
      });
    };
  const encode = passOn<EncodeRequest, EncodeResponse>(tokenizer.encode, {
    inputs: inputsOf,
    tokens: (_, { encodings }) => tokensOfAll(encodings),
  });
  const decode = passOn<DecodeRequest, DecodeResponse>(tokenizer.decode, {
    inputs: ({ sequences }) => sequences.length,
    tokens: ({ sequences }) => tokensOfAll(sequences),
  });
  const count = passOn<CountRequest, CountResponse>(tokenizer.count, {
    inputs: inputsOf,
    tokens: (_, { tokens }) => tokens.reduce((total, some) => total + some, 0),
  });

  return bind(TokenizerService, {
    ...{ encode, decode, count },
    encodeStream: (requests, context) =>
      answerEach(requests, context, stream, async ({ request }, inner) => ({
        case: "encoded" as const,
        value: await encode(requireSet(request), inner),
      })),
    decodeStream: (requests, context) =>
      answerEach(requests, context, stream, async ({ request }, inner) => ({
        case: "decoded" as const,
        value: await decode(requireSet(request), inner),
      })),
    countStream: (requests, context) =>
      answerEach(requests, context, stream, async ({ request }, inner) => ({
        case: "counted" as const,
        value: await count(requireSet(request), inner),
      })),
  });
}

function inputsOf({
  texts,
  inputs,
}: {
  readonly texts: readonly string[];
  readonly inputs: readonly unknown[];
}): number {
  return texts.length + inputs.length;
}
