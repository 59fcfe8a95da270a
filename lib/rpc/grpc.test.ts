// grpc-channel.ts against grpc-server.ts, over sockets of this machine.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Client, credentials } from "@grpc/grpc-js";
import { propagation } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { AlwaysOffSampler, AlwaysOnSampler, RandomIdGenerator } from "@opentelemetry/sdk-trace";
import { RatelimitService, Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import {
  type EncodeRequest,
  TokenizerService,
} from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { callContext } from "../../test/support/call-context.js";
import { idleTokenizer } from "../../test/support/idle-tokenizer.js";
import { collect, each } from "../../test/support/messages.js";
import { messageBytesMax, serveGrpc } from "../../test/support/serve-grpc.js";
import { withResolvers } from "../../test/support/with-resolvers.js";
import { sleep, systemClock } from "../clock.js";
import { Deferred } from "../defer.js";
import { MeshError } from "../errors.js";
import { createTracing } from "../tracing/create-tracing.js";
import { fakeTracing } from "../tracing/fake-tracing.js";
import { noTracing, type Tracing } from "../tracing/tracing.js";
import { type Binding, bind, type CallContext } from "./call.js";
import { createGrpcChannel } from "./grpc-channel.js";
import { createReflection } from "./reflection.js";

type Encode = (request: EncodeRequest, context: CallContext) => Promise<{ model: string }>;

function tokenizerBinding(encode: Encode): Binding {
  return bind(TokenizerService, { ...idleTokenizer, encode });
}

/** Clients of all servers at once, and the end of everything. */
async function withServers(
  bindings: readonly Binding[],
  use: (clientOf: ReturnType<typeof createGrpcChannel>["client"]) => Promise<void>,
  tracing: Tracing = noTracing,
): Promise<void> {
  const deferred = new Deferred();
  try {
    const ports = await Promise.all(
      bindings.map((binding) => serveGrpc(binding, deferred.defer, { tracing })),
    );
    const address = `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(",")}`;
    const channel = createGrpcChannel({
      address,
      clock: systemClock,
      messageBytesMax,
      defer: deferred.defer,
    });
    await use((service) => channel.client(service));
  } finally {
    await deferred.releaseAll();
  }
}

test("a call arrives with its request, its id and only the time that is left", async () => {
  let seen: CallContext | undefined;
  let leftMs = 0;
  const binding = tokenizerBinding(async ({ texts }, context) => {
    seen = context;
    leftMs = context.deadlineAtMs - systemClock.nowMs();
    return { model: texts.join("+") };
  });
  await withServers([binding], async (clientOf) => {
    const deadlineAtMs = systemClock.nowMs() + 5_000;
    await sleep(systemClock, 100);
    const context = callContext({ deadlineAtMs, requestId: "id-1" });
    const { model } = await clientOf(TokenizerService).encode({ texts: ["a", "b"] }, context);
    equal(model, "a+b");
    equal(seen?.requestId, "id-1");
    ok(leftMs > 0 && leftMs <= 4_900 + 1, String(leftMs));
  });
});

test("a caller keeps its part of a trace that the other side's own sampler chose", async (t) => {
  const propagator = new W3CTraceContextPropagator();
  propagation.setGlobalPropagator(propagator);
  t.after(() => propagation.disable());
  const binding = tokenizerBinding(async () => ({ model: "m" }));
  for (const [sampler, isKept] of [
    [new AlwaysOnSampler(), true],
    [new AlwaysOffSampler(), false],
  ] as const) {
    const tracing = createTracing({
      clock: systemClock,
      ids: new RandomIdGenerator(),
      propagator,
      sampler,
      slowMs: 60_000,
      mayKeepUnsampled: () => true,
      export: () => {},
    });
    const traceOf = () => fakeTracing(systemClock).begin({ isSampled: false }).begin("request");
    const [unary, streaming] = [traceOf(), traceOf()];
    await withServers(
      [binding],
      async (clientOf) => {
        const client = clientOf(TokenizerService);
        await client.encode({ texts: ["a"] }, callContext({ trace: unary }));
        await collect(client.encodeStream(each([]), callContext({ trace: streaming })));
      },
      tracing,
    );
    deepEqual([unary.isSampled, streaming.isSampled], [isKept, isKept]);
  }
});

test("a deadline ends the call on both sides", async () => {
  const ended = withResolvers<string>();
  const binding = tokenizerBinding(async (_request, { signal }) => {
    signal.addEventListener("abort", () => ended.resolve((signal.reason as MeshError).fault));
    return await new Promise<never>(() => {});
  });
  await withServers([binding], async (clientOf) => {
    const context = callContext({ deadlineAtMs: systemClock.nowMs() + 200 });
    await rejects(clientOf(TokenizerService).encode({ texts: ["a"] }, context), {
      fault: "deadline",
    });
    ok(["deadline", "cancelled"].includes(await ended.promise));
  });
});

test("a caller that leaves cancels the handler", async () => {
  const arrived = withResolvers<void>();
  const ended = withResolvers<string>();
  const binding = tokenizerBinding(async (_request, { signal }) => {
    signal.addEventListener("abort", () => ended.resolve((signal.reason as MeshError).fault));
    arrived.resolve();
    return await new Promise<never>(() => {});
  });
  await withServers([binding], async (clientOf) => {
    const leaving = new AbortController();
    const call = clientOf(TokenizerService).encode(
      { texts: ["a"] },
      callContext({ signal: leaving.signal }),
    );
    await arrived.promise;
    leaving.abort(new MeshError("cancelled", "the caller left"));
    await rejects(call, { fault: "cancelled" });
    equal(await ended.promise, "cancelled");
  });
});

test("UNAVAILABLE is tried again for idempotent methods and for no others", async () => {
  const tries = { encode: 0, take: 0 };
  const encode = tokenizerBinding(async () => {
    tries.encode += 1;
    if (tries.encode < 3) throw new MeshError("unavailable", "not yet");
    return { model: "third" };
  });
  await withServers([encode], async (clientOf) => {
    const answer = await clientOf(TokenizerService).encode({ texts: ["a"] }, callContext());
    equal(answer.model, "third");
  });

  const refuse = () => Promise.reject(new MeshError("unavailable", "no"));
  const take = (): Promise<never> => {
    tries.take += 1;
    return refuse();
  };
  const limits = bind(RatelimitService, {
    check: refuse,
    take,
    reserve: refuse,
    decide: take,
    commit: refuse,
    release: refuse,
  });
  await withServers([limits], async (clientOf) => {
    const request = { caller: { ip: "::1" }, unit: Unit.REQUESTS, amount: 1n };
    await rejects(clientOf(RatelimitService).take(request, callContext()), {
      fault: "unavailable",
    });
    equal(tries.take, 1);
    // Several takes at once are no safer to repeat than one.
    await rejects(clientOf(RatelimitService).decide({}, callContext()), { fault: "unavailable" });
    equal(tries.take, 2);
  });
});

test("calls go round all addresses", async () => {
  const calls = [0, 0];
  const bindings = calls.map((_, index) =>
    tokenizerBinding(async () => {
      calls[index] = (calls[index] ?? 0) + 1;
      return { model: "" };
    }),
  );
  await withServers(bindings, async (clientOf) => {
    const tokenizer = clientOf(TokenizerService);
    for (let i = 0; i < 40; i += 1) await tokenizer.encode({ texts: ["a"] }, callContext());
    ok(
      calls.every((count) => count >= 10),
      calls.join(),
    );
  });
});

test("faults keep their details, bugs keep their secrets", async () => {
  const fields = [{ field: "texts[0]", description: "bad" }];
  const failures = [new MeshError("invalid", "bad", { fields }), new Error("secret")];
  const binding = tokenizerBinding(() => Promise.reject(failures.shift()));
  await withServers([binding], async (clientOf) => {
    const tokenizer = clientOf(TokenizerService);
    await rejects(tokenizer.encode({ texts: ["a"] }, callContext()), (error) => {
      ok(error instanceof MeshError);
      equal(error.fault, "invalid");
      deepEqual(error.details.fields?.[0]?.field, "texts[0]");
      return true;
    });
    await rejects(tokenizer.encode({ texts: ["a"] }, callContext()), {
      fault: "internal",
      message: "internal error",
    });
  });
});

test("a stream ends when the caller has said all", async () => {
  const deferred = new Deferred();
  try {
    const [reflection] = createReflection([TokenizerService]);
    ok(reflection);
    const port = await serveGrpc(reflection, deferred.defer);
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    deferred.defer(() => client.close());
    const call = client.makeBidiStreamRequest(
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      (request: Uint8Array) => Buffer.from(request),
      (bytes: Buffer) => bytes,
      { deadline: Date.now() + 10_000 },
    );
    // Field 7, list_services, twice.
    for (let i = 0; i < 2; i += 1) call.write(Uint8Array.of(0x3a, 0x01, 0x2a));
    call.end();
    const answers: unknown[] = [];
    call.on("data", (answer) => answers.push(answer));
    const [status] = (await once(call, "status")) as [{ code: number }];
    equal(status.code, 0);
    equal(answers.length, 2);
  } finally {
    await deferred.releaseAll();
  }
});

test("a message over the limit is refused", async () => {
  const binding = tokenizerBinding(async () => ({ model: "" }));
  await withServers([binding], async (clientOf) => {
    const texts = ["a".repeat(messageBytesMax + 1)];
    await rejects(clientOf(TokenizerService).encode({ texts }, callContext()), {
      fault: "overloaded",
    });
  });
});
