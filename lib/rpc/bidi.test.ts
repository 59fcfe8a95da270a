// Streams that go both ways, over sockets of this machine and within the process.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  type EncodeStreamRequest,
  type EncodeStreamResponse,
  TokenizerService,
} from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { callContext } from "../../test/support/call-context.js";
import { idleTokenizer } from "../../test/support/idle-tokenizer.js";
import { collect, each } from "../../test/support/messages.js";
import { messageBytesMax, serveGrpc } from "../../test/support/serve-grpc.js";
import { withResolvers } from "../../test/support/with-resolvers.js";
import { systemClock } from "../clock.js";
import { Deferred } from "../defer.js";
import { type Fault, MeshError } from "../errors.js";
import { Mailbox } from "../mailbox.js";
import { fakeTracing } from "../tracing/fake-tracing.js";
import { collectAttributes } from "../tracing/recorded-span.js";
import { bind, type Channel, type Handlers } from "./call.js";
import type { CallSignal } from "./call-signal.js";
import { createGrpcChannel } from "./grpc-channel.js";
import { createLocalChannel } from "./local-channel.js";

type Handler = Handlers<typeof TokenizerService>["encodeStream"];
type End = Fault | "ok";

const bounded = { timeout: 30_000 };
const left = new MeshError("cancelled", "the caller left");

/** A peer whose stream `handler` answers. */
async function open(t: TestContext, kind: "grpc" | "local", handler: Handler) {
  const binding = bind(TokenizerService, { ...idleTokenizer, encodeStream: handler });
  /** How calls ended: where they were answered, and as who watches the peer sees it. */
  const ends: { readonly answered: End[]; readonly measured: End[] } = {
    answered: [],
    measured: [],
  };
  const ended = withResolvers();
  const interceptors = [
    () => ({
      end(error: MeshError | undefined): void {
        ends.answered.push(error?.fault ?? "ok");
        ended.resolve();
      },
    }),
  ];
  const deferred = new Deferred();
  const release = (): Promise<void> => deferred.releaseAll();
  t.after(release);
  const overGrpc = async (): Promise<Channel> => {
    const port = await serveGrpc(binding, deferred.defer, { interceptors });
    return createGrpcChannel({
      ...{ address: `127.0.0.1:${port}`, clock: systemClock, messageBytesMax },
      defer: t.after.bind(t),
      calls: { ofMethod: () => () => (error) => void ends.measured.push(error?.fault ?? "ok") },
    });
  };
  const channel =
    kind === "grpc"
      ? await overGrpc()
      : createLocalChannel({ role: "test", bindings: [binding], interceptors });
  const { encodeStream: call } = channel.client(TokenizerService);
  return { call, ends, ended: ended.promise, release };
}

const echo: Handler = async function* (requests) {
  for await (const request of requests) yield answerOf(wordIn(request));
};

/** Answers once, and then nothing until its caller leaves. */
const stall: Handler = async function* (_requests, { signal }) {
  yield answerOf("once");
  await aborted(signal);
};

/** Fails at the word b. */
const refuse: Handler = async function* (requests) {
  for await (const request of requests) {
    if (wordIn(request) === "b") throw new MeshError("invalid", "no b");
    yield answerOf(wordIn(request));
  }
};

function requestOf(word: string) {
  return { request: { texts: [word] } };
}

function wordIn({ request }: EncodeStreamRequest): string {
  return request?.texts[0] ?? "";
}

function answerOf(word: string) {
  return { result: { case: "encoded", value: { model: word } } } as const;
}

function wordOf({ result }: EncodeStreamResponse): string {
  return result.case === "encoded" ? result.value.model : "";
}

function aborted(signal: CallSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", resolve, { once: true });
  });
}

for (const kind of ["grpc", "local"] as const) {
  test(`${kind}: an answer is there before the next request is sent`, bounded, async (t) => {
    const { call, ends } = await open(t, kind, echo);
    const requests = new Mailbox<ReturnType<typeof requestOf>>();
    const words: string[] = [];
    requests.put(requestOf("0"));
    for await (const answer of call(requests, callContext())) {
      const count = words.push(wordOf(answer));
      if (count < 5) requests.put(requestOf(String(count)));
      else requests.close();
    }
    deepEqual(words, ["0", "1", "2", "3", "4"]);
    deepEqual(ends.answered, ["ok"]);
  });

  for (const count of [0, 2]) {
    test(`${kind}: the handler's fault comes after ${count} answers`, bounded, async (t) => {
      const { call, ends } = await open(t, kind, async function* () {
        for (let index = 0; index < count; index += 1) yield answerOf(String(index));
        throw new MeshError("overloaded", "no more", { retryAfterMs: 7 });
      });
      const words: string[] = [];
      const read = async (): Promise<void> => {
        for await (const answer of call(each([]), callContext())) words.push(wordOf(answer));
      };
      await rejects(read(), (error) => {
        ok(error instanceof MeshError);
        deepEqual([error.fault, error.message], ["overloaded", "no more"]);
        equal(error.details.retryAfterMs, 7);
        return true;
      });
      equal(words.length, count);
      deepEqual(ends.answered, ["overloaded"]);
    });
  }

  test(
    `${kind}: a caller who leaves has its own reason, and the handler hears of it`,
    bounded,
    async (t) => {
      const { call, ends, ended } = await open(t, kind, stall);
      const leaver = new AbortController();
      const answers = call(new Mailbox(), callContext({ signal: leaver.signal }));
      const read = async (): Promise<void> => {
        for await (const _ of answers) leaver.abort(left);
      };
      await rejects(read(), (error) => error === left);
      await ended;
      deepEqual(ends.answered, ["cancelled"]);
    },
  );

  test(`${kind}: a caller who has left already is answered nothing`, bounded, async (t) => {
    const { call } = await open(t, kind, echo);
    const answers = call(each([requestOf("a")]), callContext({ signal: AbortSignal.abort(left) }));
    await rejects(collect(answers), (error) => error === left);
  });

  test(`${kind}: a reader who goes away ends the handler`, bounded, async (t) => {
    const done = withResolvers();
    const { call, ends, ended } = await open(t, kind, async function* (requests, context) {
      try {
        yield* stall(requests, context);
      } finally {
        done.resolve();
      }
    });
    for await (const _ of call(new Mailbox(), callContext())) break;
    await Promise.all([done.promise, ended]);
    equal(ends.answered.length, 1);
  });

  test(`${kind}: requests that fail end the call`, bounded, async (t) => {
    const { call, ends, ended } = await open(t, kind, echo);
    const answered = withResolvers();
    async function* requests() {
      yield requestOf("a");
      await answered.promise;
      throw new MeshError("cancelled", "lost");
    }
    const read = async (): Promise<void> => {
      for await (const _ of call(requests(), callContext())) answered.resolve();
    };
    await rejects(read(), { fault: "cancelled" });
    await ended;
    equal(ends.answered.length, 1);
  });

  test(
    `${kind}: more than any buffer holds arrives whole, and waits for its reader`,
    bounded,
    async (t) => {
      const warnings: Error[] = [];
      const note = (warning: Error): void => void warnings.push(warning);
      process.on("warning", note);
      t.after(() => process.off("warning", note));
      const count = 2_000;
      const counts = { asked: 0, answered: 0 };
      const wordAt = (index: number): string => String(index).padEnd(10_000, ".");
      const { call } = await open(t, kind, async function* (requests) {
        let next = 0;
        for await (const request of requests) {
          equal(wordIn(request), wordAt(next));
          if (next === 0) ok(counts.asked < count, "requests wait for the handler");
          next += 1;
        }
        for (; counts.answered < next; counts.answered += 1)
          yield answerOf(wordAt(counts.answered));
      });
      async function* requests() {
        for (; counts.asked < count; counts.asked += 1) yield requestOf(wordAt(counts.asked));
      }
      let next = 0;
      for await (const answer of call(requests(), callContext())) {
        equal(wordOf(answer), wordAt(next));
        if (next === 0) ok(counts.answered < count, "answers wait for the reader");
        next += 1;
      }
      equal(next, count);
      deepEqual(warnings, []);
    },
  );
}

for (const [what, handler, leaves, end] of [
  ["is complete", echo, false, "ok"],
  ["fails", refuse, false, "invalid"],
  ["is left", echo, true, "ok"],
] as const) {
  test(`a call that ${what} is traced and measured once`, bounded, async (t) => {
    const { call, ends, ended } = await open(t, "grpc", handler);
    const { begin, exported } = fakeTracing(systemClock);
    const root = begin().begin("request");
    const answers = call(each([requestOf("a"), requestOf("b")]), callContext({ trace: root }));
    const read = async (): Promise<void> => {
      for await (const _ of answers) if (leaves) break;
    };
    if (end === "ok") await read();
    else await rejects(read(), { fault: end });
    await ended;
    root.end();
    deepEqual(ends.measured, [end]);
    const [span, ...others] = exported.filter(({ name }) => name.endsWith("/EncodeStream"));
    equal(others.length, 0);
    equal(span?.error?.fault ?? "ok", end);
    const status = span && collectAttributes(span)["rpc.response.status_code"];
    equal(status, end === "ok" ? "OK" : "INVALID_ARGUMENT");
  });
}

test("a deadline ends the call on both sides", bounded, async (t) => {
  const { call, ends, ended } = await open(t, "grpc", stall);
  const context = callContext({ deadlineAtMs: systemClock.nowMs() + 200 });
  await rejects(collect(call(new Mailbox(), context)), { fault: "deadline" });
  await ended;
  ok(["deadline", "cancelled"].includes(ends.answered[0] ?? ""));
});

test("a peer that goes away in the middle is unavailable", bounded, async (t) => {
  const { call, ends, release } = await open(t, "grpc", stall);
  const read = async (): Promise<void> => {
    for await (const _ of call(new Mailbox(), callContext())) void release();
  };
  await rejects(read(), { fault: "unavailable" });
  deepEqual(ends.measured, ["unavailable"]);
});
