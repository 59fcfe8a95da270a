import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  DecisionSchema,
  Limit,
  Outcome,
  RatelimitService,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { MeshError } from "../../lib/errors.js";
import type { CallContext, Client } from "../../lib/rpc/call.js";
import { Gather, settleEach } from "../../lib/rpc/gather.js";
import { errorOf } from "../../lib/rpc/status.js";

/** Decisions of one Decide call; the service takes four times as many. */
const decisionsMax = 64;

/** A Take or a Reserve. */
export type Question = Extract<
  MessageInitShape<typeof DecisionSchema>["question"],
  { case: "take" | "reserve" }
>;

export interface Verdict {
  readonly allowed: boolean;
  /** Every limit that applies to the caller, the tightest first. */
  readonly limits: readonly Limit[];
  /** Whether it was made without the shared counters. */
  readonly degraded: boolean;
  /** Whether slots are held, which are to be given back. */
  readonly leased?: boolean;
}

export type Decide = (question: Question, context: CallContext) => Promise<Verdict>;

/** question -> (what else is asked in this turn ->) ratelimit -> verdict */
export function createDecide(
  ratelimit: Client<typeof RatelimitService>,
  options: { readonly isGathering: boolean },
): Decide {
  const decideAlone: Decide = ({ case: kind, value }, context) =>
    kind === "take" ? ratelimit.take(value, context) : ratelimit.reserve(value, context);
  if (!options.isGathering) return decideAlone;

  const gather = new Gather<Question, Verdict>({
    itemsMax: decisionsMax,
    sendAlone: decideAlone,
    async sendTogether(gathered, context) {
      const decisions = gathered.map(({ item }) => ({ question: item }));
      settleEach(
        gathered,
        (await ratelimit.decide({ decisions }, context)).outcomes.map(toVerdict),
      );
    },
  });
  return (question, context) => gather.call(question, context);
}

function toVerdict({ answer }: Outcome): Verdict | MeshError {
  if (answer.case === "error") return errorOf(answer.value);
  return answer.value ?? new MeshError("internal", "an outcome without an answer");
}
