import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../errors.js";
import { CallAbort, type CallSignal } from "./call-signal.js";

const reason = new MeshError("cancelled", "the caller left");
const other = new MeshError("deadline", "too late");

/** What an AbortSignal does is what ours does. */
for (const [name, create] of [
  ["Node's", () => new AbortController()],
  ["ours", () => new CallAbort()],
] as const) {
  const open = (): { readonly signal: CallSignal; abort(reason: MeshError): void } => {
    const abort = create();
    return { signal: "signal" in abort ? abort.signal : abort, abort: (why) => abort.abort(why) };
  };

  test(`${name}: who listens hears of it once, in turn, and before abort returns`, () => {
    const { signal, abort } = open();
    const heard: string[] = [];
    for (const word of ["a", "b", "c"]) {
      signal.addEventListener("abort", () => heard.push(word), { once: true });
    }
    equal(signal.aborted, false);
    signal.throwIfAborted();
    abort(reason);
    abort(other);
    deepEqual(heard, ["a", "b", "c"]);
    equal(signal.aborted, true);
    equal(signal.reason, reason);
    throws(() => signal.throwIfAborted(), reason);
  });

  test(`${name}: who was removed hears nothing, even if another listener did it`, () => {
    const { signal, abort } = open();
    const heard: string[] = [];
    const early = (): void => void heard.push("early");
    const late = (): void => void heard.push("late");
    signal.addEventListener("abort", early, { once: true });
    signal.addEventListener(
      "abort",
      () => {
        heard.push("remover");
        signal.removeEventListener("abort", late);
      },
      { once: true },
    );
    signal.addEventListener("abort", late, { once: true });
    signal.removeEventListener("abort", early);
    signal.removeEventListener("abort", () => {});
    abort(reason);
    deepEqual(heard, ["remover"]);
  });

  test(`${name}: who comes too late hears nothing`, () => {
    const { signal, abort } = open();
    let heard = 0;
    abort(reason);
    signal.addEventListener(
      "abort",
      () => {
        heard += 1;
      },
      { once: true },
    );
    abort(other);
    equal(signal.reason, reason);
    equal(heard, 0);
  });

  test(`${name}: one that follows it is aborted for the same reason, or was let go`, () => {
    const { signal, abort } = open();
    const follower = new CallAbort();
    const free = new CallAbort();
    follower.follow(signal);
    free.follow(signal)();
    abort(reason);
    equal(follower.reason, reason);
    equal(free.aborted, false);
    const late = new CallAbort();
    late.follow(signal);
    equal(late.reason, reason);
  });
}
