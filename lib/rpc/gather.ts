import { assert } from "../assert.js";
import { type Fault, MeshError, toMeshError } from "../errors.js";
import { getOrAdd } from "../get-or-add.js";
import { noSpan, type Span } from "../tracing/span.js";
import type { CallContext } from "./call.js";
import { CallAbort, whenAborted } from "./call-signal.js";
import { untilAborted } from "./dispatch.js";

/** An item on its way, and its caller, who waits for the result. */
export interface Gathered<Item, Result> {
  readonly item: Item;
  /** The caller's own. */
  readonly context: CallContext;
  readonly isSettled: boolean;
  resolve(result: Result): void;
  reject(reason: unknown): void;
}

export interface GatherOptions<Item, Result> {
  /** The call of one item, in its caller's own context. */
  readonly sendAlone: (item: Item, context: CallContext) => Promise<Result>;
  /** Settles two items or more, in one call. Those it has not settled when it rejects fail as it does. */
  readonly sendTogether: (
    gathered: readonly Gathered<Item, Result>[],
    context: CallContext,
  ) => Promise<void>;
  /** What is wrong with a call that several share, and with none of its items: those are sent again alone. */
  readonly faultsOfSharing?: ReadonlySet<Fault>;
  /** Items that wait at once, and so the most of one call: as many go out without waiting for the turn to end. */
  readonly itemsMax: number;
  /** Only items of one kind go together. */
  readonly kindOf?: (item: Item) => string;
}

/** What one item alone can cause: it must not become the error of those it went with. */
const faultsOfOne: ReadonlySet<Fault> = new Set(["empty", "invalid", "not_found", "too_large"]);

/** Calls that are made in one turn of the event loop go out as one. Each caller sees what its own call would give it. */
export class Gather<Item, Result> {
  readonly #options: GatherOptions<Item, Result>;
  #waiting: Gathered<Item, Result>[] = [];

  constructor(options: GatherOptions<Item, Result>) {
    this.#options = options;
  }

  /** The result of this item; rejects as soon as the caller's signal aborts. */
  async call(item: Item, context: CallContext): Promise<Result> {
    const { signal } = context;
    signal.throwIfAborted();
    const result = new Promise<Result>((resolve, reject) => {
      const caller = gathered(item, context, { resolve, reject });
      // The trace of a sampled request shows every call that was made for it.
      if (context.trace.isSampled) void this.#sendAlone(caller);
      else this.#wait(caller);
    });
    return await untilAborted(result, signal);
  }

  #wait(caller: Gathered<Item, Result>): void {
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

  #groupsOf(
    callers: readonly Gathered<Item, Result>[],
  ): Iterable<readonly Gathered<Item, Result>[]> {
    const { kindOf = () => "" } = this.#options;
    const groups = new Map<string, Gathered<Item, Result>[]>();
    for (const caller of callers) getOrAdd(groups, kindOf(caller.item), () => []).push(caller);
    return groups.values();
  }

  /** Settles every caller; never rejects. */
  async #sendTogether(group: readonly Gathered<Item, Result>[]): Promise<void> {
    const shared = shareContext(group.map(({ context }) => context));
    try {
      await this.#options.sendTogether(group, shared.context);
      const forgotten = group.filter(isUnsettled).length;
      assert(forgotten === 0, `${forgotten} of ${group.length} items have no result`);
      shared.context.trace.end();
    } catch (thrown) {
      const error = toMeshError(thrown);
      shared.context.trace.end(error);
      const unsettled = group.filter(isUnsettled);
      if (this.#isNobodys(error)) this.#sendEachAlone(unsettled);
      else for (const caller of unsettled) caller.reject(thrown);
    } finally {
      shared.close();
    }
  }

  /** Whether an item may have another answer where it goes alone. */
  #isNobodys({ fault }: MeshError): boolean {
    return faultsOfOne.has(fault) || this.#options.faultsOfSharing?.has(fault) === true;
  }

  #sendEachAlone(callers: readonly Gathered<Item, Result>[]): void {
    for (const caller of callers.filter(isPresent)) void this.#sendAlone(caller);
  }

  /** Settles the caller; never rejects. */
  async #sendAlone(caller: Gathered<Item, Result>): Promise<void> {
    try {
      caller.resolve(await this.#options.sendAlone(caller.item, caller.context));
    } catch (thrown) {
      caller.reject(thrown);
    }
  }
}

function gathered<Item, Result>(
  item: Item,
  context: CallContext,
  { resolve, reject }: Pick<Gathered<Item, Result>, "resolve" | "reject">,
): Gathered<Item, Result> {
  const caller = {
    item,
    context,
    isSettled: false,
    resolve(result: Result) {
      caller.isSettled = true;
      resolve(result);
    },
    reject(reason: unknown) {
      caller.isSettled = true;
      reject(reason);
    },
  };
  return caller;
}

/** Settles items with their results, in their order: an error is the answer of its own item only. */
export function settleEach<Item, Result>(
  group: readonly Gathered<Item, Result>[],
  results: readonly (Result | MeshError)[],
): void {
  assert(results.length === group.length, `${results.length} results for ${group.length} items`);
  for (const [index, caller] of group.entries()) {
    // They have been counted; a result may be undefined by its own type only.
    const result = results[index] as Result | MeshError;
    if (result instanceof MeshError) caller.reject(result);
    else caller.resolve(result);
  }
}

function isUnsettled({ isSettled }: { readonly isSettled: boolean }): boolean {
  return !isSettled;
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
  const leaving = [...signals].map((signal) =>
    whenAborted(signal, () => {
      present -= 1;
      if (present === 0 && signal.reason !== undefined) shared.abort(signal.reason);
    }),
  );
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
