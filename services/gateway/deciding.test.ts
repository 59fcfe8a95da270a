import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import {
  type DecideRequest,
  RatelimitService,
  type ReserveRequest,
  type TakeRequest,
  Unit,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { MeshError } from "../../lib/errors.js";
import { bind } from "../../lib/rpc/call.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { toStatus } from "../../lib/rpc/status.js";
import { callContext } from "../../test/support/call-context.js";
import { createDecide, type Question } from "./deciding.js";

/** Allows amounts below ten; eleven is a mistake. */
function open(isGathering: boolean) {
  const asked: string[] = [];
  const answer = ({ amount }: TakeRequest | ReserveRequest) => {
    if (amount === 11n) throw new MeshError("invalid", "eleven");
    return { allowed: amount < 10n, limits: [{ name: `for ${amount}` }] };
  };
  const outcomeOf = ({ question }: DecideRequest["decisions"][number]) => {
    const { case: kind, value } = question;
    if (kind === undefined || value.amount === 12n) return {};
    try {
      return { answer: { case: kind, value: answer(value) } };
    } catch (thrown) {
      return { answer: { case: "error", value: toStatus(thrown as MeshError, "id") } } as const;
    }
  };
  const ratelimit = bind(RatelimitService, {
    check: () => ({}),
    take(request) {
      asked.push("take");
      return answer(request);
    },
    reserve(request) {
      asked.push("reserve");
      return answer(request);
    },
    decide({ decisions }) {
      asked.push(`decide ${decisions.map(({ question }) => question.case)}`);
      return { outcomes: decisions.map(outcomeOf) };
    },
    commit: () => ({}),
    release: () => ({}),
  });
  const channel = createLocalChannel({ role: "test", bindings: [ratelimit], interceptors: [] });
  const decide = createDecide(channel.client(RatelimitService), { isGathering });
  return { asked, decide: (question: Question) => decide(question, callContext()) };
}

function take(amount: bigint): Question {
  return { case: "take", value: { unit: Unit.REQUESTS, amount } };
}

function reserve(amount: bigint): Question {
  return { case: "reserve", value: { unit: Unit.TOKENS, amount } };
}

test("takes and reservations of one turn are one call, and each has its own answer", async () => {
  const { asked, decide } = open(true);
  const [first, second, wrong, last] = [take(1n), reserve(10n), take(11n), reserve(2n)].map(decide);
  await rejects(wrong as Promise<unknown>, { fault: "invalid", message: "eleven" });
  const verdicts = await Promise.all([first, second, last]);
  deepEqual(
    verdicts.map((verdict) => [verdict?.allowed, verdict?.limits[0]?.name]),
    [
      [true, "for 1"],
      [false, "for 10"],
      [true, "for 2"],
    ],
  );
  deepEqual(asked, ["decide take,reserve,take,reserve"]);
});

test("a lone question is the rpc of its own, which may be repeated where its contract says so", async () => {
  const { asked, decide } = open(true);
  equal((await decide(take(1n))).allowed, true);
  equal((await decide(reserve(1n))).allowed, true);
  await rejects(decide(take(11n)), { fault: "invalid" });
  deepEqual(asked, ["take", "reserve", "take"]);
});

test("without gathering every question is a call", async () => {
  const { asked, decide } = open(false);
  await Promise.all([decide(take(1n)), decide(reserve(1n))]);
  deepEqual(asked, ["take", "reserve"]);
});

test("an outcome without an answer is an error of the mesh", async () => {
  const { decide } = open(true);
  const [odd, fine] = [take(12n), take(1n)].map(decide);
  await rejects(odd as Promise<unknown>, { fault: "internal" });
  equal((await fine)?.allowed, true);
});
