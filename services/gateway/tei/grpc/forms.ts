import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MetadataSchema } from "../../../../gen/tei/v1/tei_pb.js";
import type { CallContext } from "../../../../lib/rpc/call.js";
import type { Form, StreamOptions } from "../../answer-each.js";
import { answerUntilError } from "../../answer-until-error.js";
import { computeHeaders } from "../../http/compute-headers.js";
import type { Usage } from "../../operations/work.js";
import { toMetadata } from "./metadata.js";

/** How one message is answered: the results, and what they cost. */
export type Answer<Q, R> = (
  request: Q,
  context: CallContext,
  form: Form,
) => Promise<{ readonly results: R; readonly usage: Usage }>;

type WithMetadata<R> = R & { readonly metadata: MessageInitShape<typeof MetadataSchema> };

/** Both forms of a method: a message of its own, and each message of a stream, which goes after what is interactive. */
export function formsOf<Q, R extends object>(
  answer: Answer<Q, R>,
  stream: StreamOptions,
): {
  readonly single: (request: Q, context: CallContext) => Promise<WithMetadata<R>>;
  readonly streamed: (
    requests: AsyncIterable<Q>,
    context: CallContext,
  ) => AsyncIterable<WithMetadata<R>>;
} {
  return {
    async single(request, context) {
      const { results, usage } = await answer(request, context, "single");
      tellUsage(usage, context);
      return { ...results, metadata: toMetadata(usage) };
    },

    streamed: (requests, context) =>
      answerUntilError(requests, context, stream, async (request, inner) => {
        const { results, usage } = await answer(request, inner, "streamed");
        return { ...results, metadata: toMetadata(usage) };
      }),
  };
}

/** Puts what an answer cost into its headers; streams have none, for their headers go out first. */
export function tellUsage(usage: Usage, { answerHeaders }: CallContext): void {
  for (const [name, value] of Object.entries(computeHeaders(usage)))
    answerHeaders?.set(name, value);
}
