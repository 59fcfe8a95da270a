import { setTimeout as sleep } from "node:timers/promises";
import { mulberry32 } from "../../support/random.js";
import type { Call } from "../measure.js";
import type { Connection } from "./connection.js";

export interface LoopOptions {
  readonly connections: readonly Connection[];
  readonly next: () => Buffer;
  /** Of performance.now(): nothing is sent after it. */
  readonly until: number;
}

/** A connection that gets no answer pauses, so that a dead server does not make a busy loop. */
const pauseMs = 20;
/** What has no answer so long after the end has failed. */
const lateMsMax = 10_000;

/** Sends on each connection again as soon as it is answered. */
export async function closedLoop({ connections, next, until }: LoopOptions): Promise<Call[]> {
  const calls: Call[] = [];
  const run = async (connection: Connection): Promise<void> => {
    while (performance.now() < until) {
      const call: Call = {
        dueAt: performance.now(),
        answeredAt: Number.POSITIVE_INFINITY,
        status: 0,
      };
      calls.push(call);
      await send(connection, next(), call);
      if (call.status === 0) await sleep(pauseMs);
    }
  };
  await Promise.race([Promise.all(connections.map(run)), sleepUntil(until + lateMsMax)]);
  return calls;
}

/** Sends when a Poisson process says so; a call that finds no free connection waits, and its latency shows it. */
export async function openLoop(
  options: LoopOptions & { readonly perSecond: number; readonly seed: number },
): Promise<Call[]> {
  const { next, until } = options;
  const arrivals = createArrivals(options.perSecond, options.seed);
  const idle = [...options.connections];
  const waiting: Call[] = [];
  const calls: Call[] = [];

  const run = async (connection: Connection, first: Call): Promise<void> => {
    for (let call: Call | undefined = first; call !== undefined; call = waiting.shift()) {
      await send(connection, next(), call);
      if (call.status === 0) await sleep(pauseMs);
    }
    idle.push(connection);
  };

  const begin = performance.now();
  let dueAt = begin + arrivals();
  while (dueAt < until) {
    await sleepUntil(dueAt);
    for (const now = performance.now(); dueAt <= now && dueAt < until; dueAt += arrivals()) {
      const call: Call = { dueAt, answeredAt: Number.POSITIVE_INFINITY, status: 0 };
      calls.push(call);
      const connection = idle.pop();
      if (connection === undefined) waiting.push(call);
      else void run(connection, call);
    }
  }
  const isDone = () => idle.length === options.connections.length;
  while (!isDone() && performance.now() < until + lateMsMax) await sleep(pauseMs);
  return calls;
}

/** Milliseconds from one arrival to the next: a Poisson process. */
export function createArrivals(perSecond: number, seed: number): () => number {
  const random = mulberry32(seed);
  return () => (-Math.log(1 - random()) * 1_000) / perSecond;
}

async function send(connection: Connection, request: Buffer, call: Call): Promise<void> {
  call.status = await connection.send(request);
  call.answeredAt = performance.now();
}

function sleepUntil(time: number): Promise<void> {
  return sleep(Math.max(0, time - performance.now()));
}
