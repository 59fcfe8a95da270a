import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  EmbedEachRequest,
  EmbedEachResponseSchema,
  EmbedOutcomeSchema,
  EmbedRequest,
  EmbedResponseSchema,
} from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError, toMeshError } from "../../lib/errors.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { recordFailure } from "../../lib/rpc/call-record.js";
import { CallAbort, type CallSignal } from "../../lib/rpc/call-signal.js";
import { toStatus } from "../../lib/rpc/status.js";
import { inMessageSpan } from "../../lib/tracing/in-message-span.js";

/** Calls of one stream. */
const callsMax = 256;
/** Bytes of vectors in one message, but for a call that has more by itself. */
const vectorBytesMax = 1 << 20;

type Embedded = MessageInitShape<typeof EmbedResponseSchema>;
type Embed = (request: EmbedRequest, context: CallContext) => Promise<Embedded>;
type Outcome = MessageInitShape<typeof EmbedOutcomeSchema>;

/** Answers each call by `embed` as soon as it is done; what is done in one turn of the event loop goes out together. */
export async function* embedEach(
  requests: AsyncIterable<EmbedEachRequest>,
  context: CallContext,
  embed: Embed,
): AsyncGenerator<MessageInitShape<typeof EmbedEachResponseSchema>> {
  const calls = new Calls(context, embed);
  const reading = calls.read(requests);
  // Its failure is thrown below, unless the reader of the answers has gone by then.
  reading.catch(() => undefined);
  try {
    for (;;) {
      const outcomes = calls.takeDone();
      if (outcomes.length > 0) yield { outcomes };
      else if (calls.isOver) break;
      else await calls.nextTurn();
    }
    await reading;
  } finally {
    calls.leave();
  }
}

/** The calls of one stream. */
class Calls {
  readonly #context: CallContext;
  readonly #embed: Embed;
  /** By the numbers of the calls. */
  readonly #running = new Map<number, CallAbort>();
  #count = 0;
  readonly #done: Outcome[] = [];
  #isReading = true;
  #hasFailed = false;
  #wake = (): void => {};

  constructor(context: CallContext, embed: Embed) {
    this.#context = context;
    this.#embed = embed;
  }

  /** Whether no answer is to come any more. */
  get isOver(): boolean {
    return this.#hasFailed || (!this.#isReading && this.#running.size === 0);
  }

  /** Begins and cancels calls until there are no more requests; rejects as they do. */
  async read(requests: AsyncIterable<EmbedEachRequest>): Promise<void> {
    try {
      for await (const { calls, cancelled } of requests) {
        if (this.#count + calls.length > callsMax) {
          throw new MeshError("invalid", `more than ${callsMax} calls`);
        }
        for (const call of calls) void this.#answer(call);
        for (const call of cancelled) this.#running.get(call)?.abort(nobodyWaits());
      }
    } catch (thrown) {
      this.#hasFailed = true;
      throw thrown;
    } finally {
      this.#isReading = false;
      this.#wake();
    }
  }

  /** Answers for one message, in the order they were done. */
  takeDone(): Outcome[] {
    let count = 0;
    let bytes = 0;
    for (const { answer } of this.#done) {
      if (answer?.case === "response") bytes += answer.value.vectors?.byteLength ?? 0;
      if (count > 0 && bytes > vectorBytesMax) break;
      count += 1;
    }
    return this.#done.splice(0, count);
  }

  /** Resolves at the end of a turn of the event loop in which something has changed. */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = () => {};
        setImmediate(resolve);
      };
    });
  }

  /** Ends what runs still. */
  leave(): void {
    for (const signal of [...this.#running.values()]) signal.abort(nobodyWaits());
  }

  /** Never rejects. */
  async #answer(request: EmbedRequest): Promise<void> {
    const call = this.#count;
    this.#count += 1;
    const signal = new CallAbort();
    this.#running.set(call, signal);
    const unfollow = signal.follow(this.#context.signal);
    this.#done.push({ call, answer: await this.#outcomeOf(request, call, signal) });
    this.#running.delete(call);
    unfollow();
    this.#wake();
  }

  async #outcomeOf(
    request: EmbedRequest,
    call: number,
    signal: CallSignal,
  ): Promise<NonNullable<Outcome["answer"]>> {
    const context = this.#context;
    try {
      const value = await inMessageSpan(context, call, (inner) =>
        this.#embed(request, { ...inner, signal }),
      );
      return { case: "response", value };
    } catch (thrown) {
      const error = toMeshError(thrown);
      recordFailure(context.callRecord, error);
      return { case: "error", value: toStatus(error, context.requestId) };
    }
  }
}

function nobodyWaits(): MeshError {
  return new MeshError("cancelled", "nobody waits for it any more");
}
