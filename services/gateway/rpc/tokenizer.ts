import { TokenizerService } from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import type { Clock } from "../../../lib/clock.js";
import { requireSet } from "../../../lib/rpc/answer-each.js";
import { type Binding, bind, type CallContext, type Channel } from "../../../lib/rpc/call.js";
import { answerEach } from "../answer-each.js";
import type { GatewayConfig } from "../config.js";
import type { Limiter } from "../limiter.js";
import type { ModelDirectory } from "../model-directory.js";
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
    <Q extends ModelName, R>(call: (request: Q, context: CallContext) => Promise<R>) =>
    async (request: Q, context: CallContext): Promise<R> => {
      const named = directory.nameOf(request.model, readsText);
      return await limiter.withRequest(context, named, async () => {
        const found = await directory.resolve(request.model, request.version, readsText);
        const { name: model, version, revision } = found;
        return await call({ ...request, model, version, revision }, context);
      });
    };
  const encode = passOn(tokenizer.encode);
  const decode = passOn(tokenizer.decode);
  const count = passOn(tokenizer.count);

  return bind(TokenizerService, {
    ...{ encode, decode, count },
    encodeStream: (requests, context) =>
      answerEach(requests, context, stream, async ({ request }) => ({
        case: "encoded" as const,
        value: await encode(requireSet(request), context),
      })),
    decodeStream: (requests, context) =>
      answerEach(requests, context, stream, async ({ request }) => ({
        case: "decoded" as const,
        value: await decode(requireSet(request), context),
      })),
    countStream: (requests, context) =>
      answerEach(requests, context, stream, async ({ request }) => ({
        case: "counted" as const,
        value: await count(requireSet(request), context),
      })),
  });
}
