import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  EmbedEachRequestSchema,
  EmbedOutcome,
  EmbedRequestSchema,
  EmbedResponse,
  InferenceService,
} from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { type Fault, MeshError } from "../../../lib/errors.js";
import { Mailbox } from "../../../lib/mailbox.js";
import type { CallContext, Client } from "../../../lib/rpc/call.js";
import { whenAborted } from "../../../lib/rpc/call-signal.js";
import { Gather, type Gathered } from "../../../lib/rpc/gather.js";
import { errorOf } from "../../../lib/rpc/status.js";

/** Requests of one stream; the service takes four times as many. */
const requestsMax = 64;
/** Sequences of a request that goes together with others: a large one is worth a call of its own. */
const sequencesMax = 8;
/** Tokens of such a request, so that all of a stream stay far below the size of a message. */
const tokensMax = 4_096;

/** The peer has gone, or knows no such streams yet. */
const faultsOfStream: ReadonlySet<Fault> = new Set(["unavailable", "unsupported"]);

type EmbedRequest = MessageInitShape<typeof EmbedRequestSchema>;
type EmbedEachRequest = MessageInitShape<typeof EmbedEachRequestSchema>;
type InFlight = Gathered<EmbedRequest, EmbedResponse>;

export type EmbedCall = (request: EmbedRequest, context: CallContext) => Promise<EmbedResponse>;

/** request -> (what else is asked in this turn ->) inference -> vectors, as soon as they are there */
export function createEmbedCall(
  inference: Client<typeof InferenceService>,
  options: { readonly isGathering: boolean },
): EmbedCall {
  if (!options.isGathering) return inference.embed;

  const gather = new Gather<EmbedRequest, EmbedResponse>({
    itemsMax: requestsMax,
    sendAlone: inference.embed,
    sendTogether: stream,
    // grpc-js tries a call again that is not available, but no stream that has had an answer.
    faultsOfSharing: faultsOfStream,
  });
  return (request, context) =>
    isSmall(request) ? gather.call(request, context) : inference.embed(request, context);

  /** Rejects with `unavailable` where some are told to come again, or have no answer: those are not settled. */
  async function stream(gathered: readonly InFlight[], context: CallContext): Promise<void> {
    const requests = new Mailbox<EmbedEachRequest>();
    requests.put({ calls: gathered.map(({ item }) => item) });
    const forgetCallers = tellLeaving(gathered, requests);
    let missing = gathered.length;
    try {
      for await (const { outcomes } of inference.embedEach(requests, context)) {
        for (const outcome of outcomes) settle(gathered[outcome.call], outcome);
        missing -= outcomes.length;
        if (missing === 0) requests.close();
      }
    } finally {
      forgetCallers();
      requests.close();
    }
    if (gathered.every(({ isSettled, context: { signal } }) => isSettled || signal.aborted)) return;
    throw new MeshError("unavailable", "a stream ended before all were answered");
  }
}

/** Says in the stream who leaves, until the function that it returns is called. */
function tellLeaving(
  gathered: readonly InFlight[],
  requests: Mailbox<EmbedEachRequest>,
): () => void {
  const forgetting = gathered.map((waiting, call) =>
    whenAborted(waiting.context.signal, () => {
      if (!waiting.isSettled) requests.put({ cancelled: [call] });
    }),
  );
  return () => {
    for (const forget of forgetting) forget();
  };
}

function isSmall({ sequences = [] }: EmbedRequest): boolean {
  if (sequences.length > sequencesMax) return false;
  const tokens = sequences.reduce((sum, { ids = [] }) => sum + ids.length, 0);
  return tokens <= tokensMax;
}

function settle(waiting: InFlight | undefined, { answer }: EmbedOutcome): void {
  if (answer.case === "response") {
    waiting?.resolve(answer.value);
    return;
  }
  const isEmpty = answer.case === undefined;
  const error = isEmpty ? new MeshError("internal", "an empty outcome") : errorOf(answer.value);
  // What is not available is asked again.
  if (error.fault !== "unavailable") waiting?.reject(error);
}
