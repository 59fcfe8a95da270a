import { assert } from "../assert.js";
import { type Fault, toMeshError } from "../errors.js";
import { getOrAdd } from "../get-or-add.js";
import { noSpan, type Span } from "../tracing/span.js";
import type { CallContext } from "./call.js";
import { CallAbort } from "./call-signal.js";
import { untilAborted } from "./dispatch.js";

export interface GatherOptions<Item, Result> {
  /** Answers every item, in order, in one call; a lone item has its own context. */
  readonly send: (items: readonly Item[], context: CallContext) => Promise<readonly Result[]>;
  /** Items that wait at once, and so the most of one call: as many go out without waiting for the turn to end. */
  readonly itemsMax: number;
  /** Only items of one kind go together. */
  readonly kindOf?: (item: Item) => string;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly context: CallContext;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

/** What one item alone can cause: it must not become the error of those it went with. */
const faultsOfOne: ReadonlySet<Fault> = new Set(["empty", "invalid", "not_found", "too_large"]);

/** Calls that are made in one turn of the event loop go out as one. Each caller sees what its own call would give it. */
export class Gather<Item, Result> {
  readonly #options: GatherOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];

  constructor(options: GatherOptions<Item, Result>) {
    this.#options = options;
  }

  /** The result of this item; rejects as soon as the caller's signal aborts. */
  async call(item: Item, context: CallContext): Promise<Result> {
    const { signal } = context;
    signal.throwIfAborted();
    const result = new Promise<Result>((resolve, reject) => {
      const caller = { item, context, resolve, reject };
      // The trace of a sampled request shows every call that was made for it.
      if (context.trace.isSampled) void this.#sendAlone(caller);
      else this.#wait(caller);
    });
    return await untilAborted(result, signal);
  }

  #wait(caller: Waiting<Item, Result>): void {
    if (this.#waiting.length === 0) setImmediate(() => this.#flush());
    this.#waiting.push(caller);
    if (this.#waiting.length >= this.#options.itemsMax) this.#flush();
  }

  #flush(): void {
    const present = this.#waiting.filter(isPresent);
    this.#waiting = [];
    for (const group of this.#groupsOf(present)) {
      const [first, ...others] = group;
      if (first !== undefined && others.length === 0) void this.#sendAlone(first);
      else void this.#sendTogether(group);
    }
  }

  #groupsOf(callers: readonly Waiting<Item, Result>[]): Iterable<readonly Waiting<Item, Result>[]> {
    const { kindOf = () => "" } = this.#options;
    const groups = new Map<string, Waiting<Item, Result>[]>();
    for (const caller of callers) getOrAdd(groups, kindOf(caller.item), () => []).push(caller);
    return groups.values();
  }

  /** Settles every caller; never rejects. */
  async #sendTogether(group: readonly Waiting<Item, Result>[]): Promise<void> {
    const shared = shareContext(group.map(({ context }) => context));
    try {
      const results = await this.#send(group, shared.context);
      shared.context.trace.end();
      group.forEach(({ resolve }, index) => {
        // #send has counted them; a result may be undefined by its own type only.
        resolve(results[index] as Result);
      });
    } catch (thrown) {
      const error = toMeshError(thrown);
      shared.context.trace.end(error);
      const isOfOne = faultsOfOne.has(error.fault);
      for (const caller of group) {
        if (!isOfOne) caller.reject(thrown);
        else if (isPresent(caller)) void this.#sendAlone(caller);
      }
    } finally {
      shared.close();
    }
  }

  /** Settles the caller; never rejects. */
  async #sendAlone(caller: Waiting<Item, Result>): Promise<void> {
    try {
      const [result] = await this.#send([caller], caller.context);
      caller.resolve(result as Result);
    } catch (thrown) {
      caller.reject(thrown);
    }
  }

  async #send(
    callers: readonly Waiting<Item, Result>[],
    context: CallContext,
  ): Promise<readonly Result[]> {
    const items = callers.map(({ item }) => item);
    const results = await this.#options.send(items, context);
    assert(results.length === items.length, `${results.length} results for ${items.length} items`);
    return results;
  }
}

function isPresent({ context }: { readonly context: CallContext }): boolean {
  return !context.signal.aborted;
}

/** The call's own trace, which tells of it when one of those that share it is kept. */
function shareTrace(contexts: readonly CallContext[]): Span {
  const shared = contexts[0]?.trace.beginShared("shared_call") ?? noSpan;
  shared.set("arrowmesh.shared_by", contexts.length);
  for (const { trace } of contexts) trace.share(shared);
  return shared;
}

/** The context of a call that several wait for: it is over when the last of them has left. */
function shareContext(contexts: readonly CallContext[]): {
  readonly context: CallContext;
  readonly close: () => void;
} {
  const shared = new CallAbort();
  // The texts of a stream have one signal between them.
  const signals = new Set(contexts.map(({ signal }) => signal));
  let present = signals.size;
  const leaving = [...signals].map((signal) => {
    const leave = (): void => {
      present -= 1;
      if (present === 0 && signal.reason !== undefined) shared.abort(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    return () => signal.removeEventListener("abort", leave);
  });
  return {
    context: {
      signal: shared,
      deadlineAtMs: Math.max(...contexts.map(({ deadlineAtMs }) => deadlineAtMs)),
      trace: shareTrace(contexts),
      requestId: contexts[0]?.requestId ?? "",
      clientIp: "",
    },
    close() {
      for (const forget of leaving) forget();
    },
  };
}
