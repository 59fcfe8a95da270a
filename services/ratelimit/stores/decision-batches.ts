import { MeshError } from "../../../lib/errors.js";
import type { Span } from "../../../lib/tracing/span.js";
import { answerLength } from "./redis-answer.js";
import { addCharge, type RedisCharge, type ScriptInput } from "./redis-charge.js";
import type { RedisConnection, ReplyWord } from "./redis-connection.js";

/** Charges of one call: a script runs alone, so all others wait as long as it takes. */
const chargesMax = 64;

/** What was answered to one charge, and Redis's time of it. */
export interface RedisAnswer {
  readonly nowMs: number;
  readonly reply: readonly ReplyWord[];
}

interface Waiting {
  readonly charge: RedisCharge;
  readonly resolve: (answer: RedisAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Sends charges that are asked for at the same time in one call, in order: calling costs more than deciding. */
export class DecisionBatches {
  readonly #connection: RedisConnection;
  readonly #reservationsMax: number;
  readonly #slotOf: (key: string) => number;
  readonly #onExpired: (count: number) => void;
  /** By slot, what is sent when all that runs now has asked. */
  readonly #gathered = new Map<number, Waiting[]>();

  constructor(
    connection: RedisConnection,
    options: {
      readonly reservationsMax: number;
      /** Charges of different slots cannot share a call. */
      readonly slotOf: (key: string) => number;
      readonly onExpired: (count: number) => void;
    },
  ) {
    this.#connection = connection;
    this.#reservationsMax = options.reservationsMax;
    this.#slotOf = options.slotOf;
    this.#onExpired = options.onExpired;
  }

  /** Of a charge with at least one item. */
  async ask(charge: RedisCharge): Promise<RedisAnswer> {
    this.#connection.enter();
    try {
      return await new Promise<RedisAnswer>((resolve, reject) => {
        this.#gather({ charge, resolve, reject });
      });
    } finally {
      this.#connection.leave();
    }
  }

  #gather(waiting: Waiting): void {
    // Calls that arrived together ask one after another in this turn; a turn more would only be waited.
    if (this.#gathered.size === 0) process.nextTick(() => this.#sendAll());
    const slot = this.#slotOf(waiting.charge.items[0]?.key ?? "");
    const gathered = this.#gathered.get(slot);
    if (gathered === undefined) this.#gathered.set(slot, [waiting]);
    else gathered.push(waiting);
  }

  #sendAll(): void {
    const batches = [...this.#gathered.values()];
    this.#gathered.clear();
    for (const batch of batches) {
      for (let first = 0; first < batch.length; first += chargesMax) {
        void this.#send(batch.slice(first, first + chargesMax), "few");
      }
    }
  }

  /** Answers all of them; never throws. */
  async #send(batch: readonly Waiting[], keys: "all" | "few"): Promise<void> {
    try {
      const input: ScriptInput = { keys: [], arguments: [this.#reservationsMax, keys] };
      for (const { charge } of batch) addCharge(input, charge, keys);
      const traces = new Set<Span>();
      for (const { charge } of batch) if (charge.trace !== undefined) traces.add(charge.trace);
      const reply = await this.#connection.run(
        (redis) => redis.decide(input.keys.length, ...input.keys, ...input.arguments),
        { traces, script: "decide", charges: batch.length },
      );
      const [nowMs, expired] = reply;
      if (expired > 0) this.#onExpired(expired);
      let at = 2;
      let answered = 0;
      for (const { charge, resolve } of batch) {
        if (at >= reply.length) break;
        const end = at + answerLength(reply[at], charge.items.length);
        resolve({ nowMs, reply: reply.slice(at, end) });
        at = end;
        answered += 1;
      }
      if (answered < batch.length) this.#sendRest(batch.slice(answered), keys);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  /** The first of them has reservations that are due, so it needs their keys too; the others follow it in order. */
  #sendRest(batch: readonly Waiting[], keys: "all" | "few"): void {
    if (keys === "few") void this.#send(batch, "all");
    else
      for (const { reject } of batch) reject(new MeshError("internal", "Redis left out answers"));
  }
}
