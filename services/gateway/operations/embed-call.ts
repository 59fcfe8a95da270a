import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  EmbedEachRequestSchema,
  EmbedOutcome,
  EmbedRequestSchema,
  EmbedResponse,
  InferenceService,
} from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { type Fault, MeshError, toMeshError } from "../../../lib/errors.js";
import { Mailbox } from "../../../lib/mailbox.js";
import type { CallContext, Client } from "../../../lib/rpc/call.js";
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
    async send(gathered, context) {
      const [first, ...others] = gathered;
      if (first !== undefined && others.length === 0) await sendAlone(first);
      else await sendTogether(gathered, context);
    },
  });
  return (request, context) =>
    isSmall(request) ? gather.call(request, context) : inference.embed(request, context);

  async function sendAlone({ item, context, resolve }: InFlight): Promise<void> {
    resolve(await inference.embed(item, context));
  }

  async function sendTogether(gathered: readonly InFlight[], context: CallContext): Promise<void> {
    try {
      await stream(gathered, context);
    } catch (thrown) {
      if (!faultsOfStream.has(toMeshError(thrown).fault)) throw thrown;
    }
    // grpc-js tries a call again that is not available, but no stream that has had an answer.
    await Promise.all(gathered.filter(({ isSettled }) => !isSettled).map(sendAgain));
  }

  /** Never rejects. */
  async function sendAgain(waiting: InFlight): Promise<void> {
    await sendAlone(waiting).catch(waiting.reject);
  }

  /** Ends when all are answered; those who are told to come again are not settled. */
  async function stream(gathered: readonly InFlight[], context: CallContext): Promise<void> {
    const requests = new Mailbox<EmbedEachRequest>();
    requests.put({ calls: gathered.map(({ item }) => item) });
    const leaving = gathered.map((waiting, call) => {
      const { signal } = waiting.context;
      const leave = (): void => {
        if (!waiting.isSettled) requests.put({ cancelled: [call] });
      };
      signal.addEventListener("abort", leave, { once: true });
      return () => signal.removeEventListener("abort", leave);
    });
    let missing = gathered.length;
    try {
      for await (const { outcomes } of inference.embedEach(requests, context)) {
        for (const outcome of outcomes) settle(gathered[outcome.call], outcome);
        missing -= outcomes.length;
        if (missing === 0) requests.close();
      }
    } finally {
      for (const forget of leaving) forget();
      requests.close();
    }
  }
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
