import { type RerankRequest, Rerank as RerankService } from "../../../../gen/tei/v1/tei_pb.js";
import { type Binding, bind, type CallContext } from "../../../../lib/rpc/call.js";
import type { StreamOptions } from "../../answer-each.js";
import type { GatewayConfig } from "../../config.js";
import type { Operations } from "../../operations/operations.js";
import type { Ranked } from "../../operations/rerank.js";
import { tellUsage } from "./forms.js";
import { toMetadata } from "./metadata.js";
import { orderOf } from "./order.js";
import { createRerankStream } from "./rerank-stream.js";

/** tei.v1.Rerank -> texts by how well they answer a query */
export function createTeiRerank(
  { nativeInputsMax: inputsMax }: Pick<GatewayConfig, "nativeInputsMax">,
  { rerank }: Operations,
  stream: StreamOptions,
): Binding {
  const ranksOf = createRerankStream(rerank, { ...stream, textsMax: inputsMax });
  return bind(RerankService, {
    async rerank(request: RerankRequest, context: CallContext) {
      const { query, texts, rawScores: isRaw, returnText } = request;
      const own = { query, texts, isRaw, inputsMax, isAdmittedWhole: true };
      const order = Object.assign(orderOf(request, "single"), own);
      const { ranks, usage } = await rerank(order, context);
      tellUsage(usage, context);
      return {
        ranks: ranks.map(({ index, score }) =>
          toRank({ index, score, text: texts[index] }, returnText),
        ),
        metadata: toMetadata(usage),
      };
    },

    async rerankStream(requests, context) {
      const { ranks, usage, returnText } = await ranksOf(requests, context);
      tellUsage(usage, context);
      return {
        ranks: ranks.map((ranked) => toRank(ranked, returnText)),
        metadata: toMetadata(usage),
      };
    },
  });
}

function toRank(
  { index, score, text }: Ranked & { readonly text: string | undefined },
  isTextWanted: boolean,
) {
  return { index, score, ...(isTextWanted && text !== undefined && { text }) };
}
