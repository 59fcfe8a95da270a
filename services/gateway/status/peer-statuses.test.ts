import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  GetStatusResponseSchema,
  type ProcessStatus,
} from "../../../gen/arrowmesh/status/v1/status_pb.js";
import { MeshError } from "../../../lib/errors.js";
import { FakeClock } from "../../../lib/fake-clock.js";
import type { Channel } from "../../../lib/rpc/call.js";
import { callContext } from "../../../test/support/call-context.js";
import { PeerStatuses } from "./peer-statuses.js";

/** Replicas behind one address, which answer in turn as round robin has it. */
class Replicas {
  /** The names of those that answer. */
  living: string[];
  asks = 0;

  constructor(...names: string[]) {
    this.living = names;
  }

  channel(): Channel {
    const getStatus = async () => {
      const instanceId = this.living[this.asks++ % this.living.length];
      if (instanceId === undefined) throw new MeshError("unavailable", "nobody is there");
      return create(GetStatusResponseSchema, {
        processes: [{ instanceId, roles: ["tokenizer"], ready: true }],
      });
    };
    // The only method of the only service that is asked for.
    return { client: () => ({ getStatus }) } as unknown as Channel;
  }
}

function watch(replicas: Replicas) {
  const clock = new FakeClock();
  const openCall = () => callContext();
  const statuses = new PeerStatuses({ tokenizer: replicas.channel() }, { clock, openCall });
  return { clock, statuses };
}

const brief = (all: readonly ProcessStatus[]) =>
  all.map(({ instanceId, answering }) => `${instanceId} ${answering ? "up" : "down"}`).sort();

test("a role that nobody has heard of is down, and says why", async () => {
  const { statuses } = watch(new Replicas());
  const [status, ...others] = await statuses.read();
  equal(others.length, 0);
  deepEqual(status?.roles, ["tokenizer"]);
  deepEqual(
    [status?.instanceId, status?.answering, status?.problem],
    ["", false, "nobody is there"],
  );
});

test("replicas behind one address are told apart and all remembered", async () => {
  const replicas = new Replicas("a", "b", "c");
  const { clock, statuses } = watch(replicas);
  for (const atMs of [1_000, 2_000, 3_000]) {
    await clock.moveTo(atMs);
    await statuses.read();
  }
  deepEqual(brief(await statuses.read()), ["a up", "b up", "c up"]);
});

test("many who watch at once cost one round of questions, and so do those who come soon after", async () => {
  const replicas = new Replicas("a");
  const { clock, statuses } = watch(replicas);
  await Promise.all(Array.from({ length: 50 }, () => statuses.read()));
  await clock.moveTo(400);
  await statuses.read();
  equal(replicas.asks, 1);
  await clock.moveTo(600);
  await statuses.read();
  equal(replicas.asks, 2);
});

test("a process that falls silent is down after seconds and forgotten after half a minute", async () => {
  const replicas = new Replicas("a", "b");
  const { clock, statuses } = watch(replicas);
  const readAt = async (atMs: number) => {
    await clock.moveTo(atMs);
    return await statuses.read();
  };
  await readAt(1_000);
  deepEqual(brief(await readAt(2_000)), ["a up", "b up"]);
  replicas.living = ["a"];
  deepEqual(brief(await readAt(3_000)), ["a up", "b up"]);
  const later = await readAt(6_000);
  deepEqual(brief(later), ["a up", "b down"]);
  const down = later.find(({ answering }) => !answering);
  deepEqual([down?.problem, down?.ready], ["it is silent", true]);
  equal((down?.ageMs ?? 0) >= 3_000, true);
  deepEqual(brief(await readAt(40_000)), ["a up"]);
});

test("a role of which every process went away is down with the last that was known", async () => {
  const replicas = new Replicas("a");
  const { clock, statuses } = watch(replicas);
  await statuses.read();
  replicas.living = [];
  await clock.moveTo(4_000);
  const [status] = await statuses.read();
  deepEqual(
    [status?.instanceId, status?.answering, status?.problem],
    ["a", false, "nobody is there"],
  );
  await clock.moveTo(60_000);
  const [forgotten] = await statuses.read();
  deepEqual([forgotten?.instanceId, forgotten?.answering], ["", false]);
});

test("processes that come and go are remembered in a bounded number", async () => {
  const replicas = new Replicas("p0");
  const { clock, statuses } = watch(replicas);
  for (let run = 1; run <= 60; run += 1) {
    replicas.living = [`p${run}`];
    await clock.moveTo(run * 500);
    await statuses.read();
  }
  const all = await statuses.read();
  equal(all.length <= 32, true);
  equal(
    all.some(({ instanceId }) => instanceId === "p60"),
    true,
  );
});
