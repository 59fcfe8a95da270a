import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MetadataSchema } from "../../../../gen/tei/v1/tei_pb.js";
import type { Usage } from "../../operations/work.js";

/** What an answer cost, as it stands in the answer itself. */
export function toMetadata({
  tokens,
  characters,
  timing,
}: Usage): MessageInitShape<typeof MetadataSchema> {
  return {
    computeChars: characters,
    computeTokens: tokens,
    totalTimeNs: toNanoseconds(timing.totalMs),
    tokenizationTimeNs: toNanoseconds(timing.tokenizationMs),
    queueTimeNs: toNanoseconds(timing.queueMs),
    inferenceTimeNs: toNanoseconds(timing.computeMs),
  };
}

function toNanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1e6));
}
