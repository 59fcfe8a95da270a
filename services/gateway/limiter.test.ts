import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import {
  type CommitRequest,
  RatelimitService,
  type ReleaseRequest,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { systemClock } from "../../lib/clock.js";
import { MeshError } from "../../lib/errors.js";
import { createLog } from "../../lib/log.js";
import { bind } from "../../lib/rpc/call.js";
import { createCallRecord } from "../../lib/rpc/call-record.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { Limiter, type Reservation } from "./limiter.js";
import { createFakePath } from "./operations/fake-peers.js";

const caller = {
  ...{ apiKey: "0123456789abcdef", tier: "premium", user: "alice" },
  route: "POST /embed",
};
const nothing = () => ({ requests: [], tokens: [], isDegraded: false });

test("decisions are told who calls, and which model will run", async () => {
  const { peers, limiter } = createFakePath();
  const context = callContext({ clientIp: "2001:db8::1", caller });
  await limiter.withRequest(context, "m", async () => {
    await limiter.reserveTokens(7, context, "other");
  });
  const seen = peers.callers.map(({ $typeName: _, ...each }) => each);
  const known = { ip: "2001:db8::1", provider: "", ...caller };
  deepEqual(seen, [
    { ...known, model: "m" },
    { ...known, model: "other" },
  ]);
});

test("an address is enough", async () => {
  const { peers, limiter } = createFakePath();
  await limiter.withRequest(callContext(), "", async () => {});
  const [seen] = peers.callers;
  deepEqual([seen?.ip, seen?.tier, seen?.route], ["192.0.2.1", "", ""]);
});

test("a lease outlasts its call, and no stream holds one for longer than the service allows", async () => {
  const { peers, limiter } = createFakePath();
  for (const leftMs of [-1_000, 2_000, 86_400_000]) {
    const deadlineAtMs = systemClock.nowMs() + leftMs;
    await limiter.withRequest(callContext({ deadlineAtMs }), "", async () => {});
  }
  const [late = 0, usual = 0, long = 0] = peers.leases.map(({ ms }) => ms);
  equal(late, 5_000);
  ok(usual > 6_000 && usual <= 7_001, `${usual} ms`);
  equal(long, 3_600_000);
  equal(new Set(peers.leases.map(({ id }) => id)).size, 3);
});

test("only a request that holds slots gives any back", async () => {
  const { peers, limiter } = createFakePath();
  await limiter.withRequest(callContext(), "", async () => {});
  await limiter.settled();
  deepEqual(peers.asked, ["take"]);
  peers.isLeasing = true;
  equal(await limiter.withRequest(callContext(), "", async () => "done"), "done");
  await rejects(
    limiter.withRequest(callContext(), "", () => Promise.reject(new MeshError("internal", "bug"))),
    { message: "bug" },
  );
  await limiter.settled();
  deepEqual(peers.asked.slice(1).toSorted(), [
    ...["release the slot", "release the slot"],
    ...["take", "take"],
  ]);
});

test("what was decided after its caller had left is given back", async () => {
  // Only a service behind a wire, where decisions of one turn go together, is left before it has answered.
  let answer = () => {};
  const decided = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const released: string[] = [];
  const asked: string[] = [];
  const ratelimit = bind(RatelimitService, {
    check: () => ({}),
    async take({ leaseId }) {
      asked.push(leaseId);
      await decided;
      return { allowed: true, leased: true };
    },
    async reserve({ reservationId }) {
      asked.push(reservationId);
      await decided;
      return { allowed: true };
    },
    decide: () => ({}),
    commit: () => ({}),
    release({ reservationIds }) {
      released.push(...reservationIds);
      return {};
    },
  });
  const limiter = new Limiter(
    createLocalChannel({ role: "test", bindings: [ratelimit], interceptors: [] }),
    { reservationMs: 1_000, areCachedTokensCharged: false },
    { clock: systemClock, log: createLog("silent"), isRatelimitRemote: true },
  );
  for (const fault of ["cancelled", "deadline"] as const) {
    const leaver = new AbortController();
    const context = callContext({ signal: leaver.signal });
    const calls: Promise<unknown>[] = [limiter.withRequest(context, "", async () => {})];
    await new Promise(setImmediate);
    calls.push(limiter.reserveTokens(1, context, ""));
    await new Promise(setImmediate);
    leaver.abort(new MeshError(fault, "left"));
    for (const call of calls) await rejects(call, { fault });
  }
  answer();
  await limiter.settled();
  equal(asked.length, 4);
  deepEqual(released.toSorted(), asked.toSorted());
});

test("the record of a call says what its latest decisions said", async () => {
  const { peers, limiter } = createFakePath();
  const context = callContext({ caller, callRecord: createCallRecord() });
  await limiter.withRequest(context, "m", async () => {});
  deepEqual(context.callRecord?.limits, nothing());
  peers.refuse = "tokens";
  peers.isDegraded = true;
  await rejects(limiter.reserveTokens(9, context, "m"), { fault: "limited" });
  deepEqual(
    context.callRecord?.limits.tokens.map(({ name }) => name),
    ["rule"],
  );
  equal(context.callRecord?.limits.isDegraded, true);
});

test("a call that is decided without the shared counters is counted once", async () => {
  const { peers, limiter, counted } = createFakePath();
  peers.isDegraded = true;
  const context = callContext({ caller, callRecord: createCallRecord() });
  await limiter.withRequest(context, "m", async () => {
    (await limiter.reserveTokens(1, context, "m")).commit();
  });
  deepEqual(counted, ["degraded"]);
});

test("a refusal names the rule and the caller, and no secret", async () => {
  const { peers, limiter } = createFakePath();
  peers.refuse = "requests";
  const refused = limiter.withRequest(callContext({ caller }), "m", async () => {});
  await rejects(refused, (error) => {
    ok(error instanceof MeshError);
    equal(error.message, "too many requests (rule)");
    equal(error.details.retryAfterMs, 1_500);
    deepEqual(error.details.quotas, [
      {
        subject: "ip:192.0.2.1 api_key:0123456789abcdef user:alice",
        description: "rule: 5 requests per 60 s, 0 left",
        ...{ quotaMetric: "requests", quotaId: "rule", quotaValue: 5n },
        quotaDimensions: { model: "m", tier: "premium", route: "POST /embed" },
      },
    ]);
    return true;
  });
});

/** A ratelimit service that writes down what is settled, and answers when it is let. */
function openSettling(answered: Promise<void>, fail: () => boolean = () => false) {
  const commits: Omit<CommitRequest, "$typeName" | "$unknown">[] = [];
  const releases: ReleaseRequest["reservationIds"][] = [];
  const answer = async (): Promise<object> => {
    await answered;
    if (fail()) throw new MeshError("unavailable", "down");
    return {};
  };
  const ratelimit = bind(RatelimitService, {
    check: () => ({}),
    take: () => ({ allowed: true, leased: true }),
    reserve: () => ({ allowed: true }),
    decide: () => ({}),
    commit({ reservationIds, partial }) {
      commits.push({ reservationIds, partial });
      return answer();
    },
    release({ reservationIds }) {
      releases.push(reservationIds);
      return answer();
    },
  });
  const limiter = new Limiter(
    createLocalChannel({ role: "test", bindings: [ratelimit], interceptors: [] }),
    { reservationMs: 1_000, areCachedTokensCharged: false },
    { clock: systemClock, log: createLog("silent") },
  );
  return { limiter, commits, releases };
}

test("what ends while a call settles goes out together with the next, in bounded calls", async () => {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { limiter, commits, releases } = openSettling(answered);
  const settleOne = async (computed: number) => {
    (await limiter.reserveTokens(2, callContext(), "")).commit(computed);
  };
  await settleOne(2);
  await new Promise(setImmediate);
  for (let i = 0; i < 300; i += 1) {
    for (const computed of [0, 1, 2]) await settleOne(computed);
  }
  answer();
  await limiter.settled();
  deepEqual(
    commits.map(({ reservationIds, partial }) => [reservationIds.length, partial.length]),
    [
      [1, 0],
      [256, 256],
      [44, 44],
    ],
  );
  equal(
    commits.flatMap(({ partial }) => partial).every(({ amount }) => amount === 1n),
    true,
  );
  deepEqual(
    releases.map((ids) => ids.length),
    [256, 44],
  );
});

test("what ends in the moment in which settling ends is settled, too", async () => {
  for (let turns = 0; turns < 30; turns += 1) {
    const reservations: Reservation[] = [];
    // Called while the first is being settled.
    const releaseNext = async (): Promise<void> => {
      const next = reservations.pop();
      for (let i = 0; i < turns; i += 1) await undefined;
      next?.release();
    };
    const { limiter, releases } = openSettling(Promise.resolve(), () => {
      void releaseNext();
      return false;
    });
    for (let i = 0; i < 2; i += 1) {
      reservations.push(await limiter.reserveTokens(2, callContext(), ""));
    }
    reservations.pop()?.release();
    await new Promise(setImmediate);
    await limiter.settled();
    equal(releases.flat().length, 2, `after ${turns} turns`);
  }
});

test("settling that fails holds up nothing that comes after it", async () => {
  let isDown = true;
  const { limiter, commits, releases } = openSettling(Promise.resolve(), () => isDown);
  (await limiter.reserveTokens(2, callContext(), "")).commit();
  (await limiter.reserveTokens(2, callContext(), "")).release();
  await limiter.settled();
  isDown = false;
  (await limiter.reserveTokens(2, callContext(), "")).commit();
  await limiter.settled();
  deepEqual([commits.length, releases.length], [2, 1]);
});

test("no tokens are no reservation", async () => {
  const { peers, limiter } = createFakePath();
  const reservation = await limiter.reserveTokens(0, callContext(), "m");
  reservation.commit();
  reservation.release();
  await limiter.settled();
  deepEqual(peers.asked, []);
});
