// A process of its own that loads a server: one order in, one result out, then it ends.

import { summarize } from "../measure.js";
import type { Connection } from "./connection.js";
import { GrpcConnection } from "./grpc-connection.js";
import { Http1Connection } from "./http1-connection.js";
import { closedLoop, openLoop } from "./loops.js";
import type { LoadOrder, LoadResult } from "./order.js";
import { createRequests } from "./requests.js";

/** Below what a listening socket keeps waiting (511 in Node). */
const opensAtOnce = 64;

process.once("disconnect", () => process.exit(1));
process.once("message", (order: LoadOrder) => {
  load(order).then(
    (result) => process.send?.(result, () => process.exit(0)),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});

async function load(order: LoadOrder): Promise<LoadResult> {
  const { arrivals, seed, textsPerCall } = order;
  const next = createRequests(order);
  const connections = await openConnections(order);
  const from = performance.now() + order.seconds * 200;
  const until = from + order.seconds * 1_000;
  const cpuBefore = process.cpuUsage();
  const calls =
    arrivals.kind === "closed"
      ? await closedLoop({ connections, next, until })
      : await openLoop({ connections, next, until, seed, perSecond: arrivals.perSecond });
  const { user, system } = process.cpuUsage(cpuBefore);
  const whole = process.cpuUsage();
  const answers = calls.filter(({ status }) => status !== 0).length;
  const measurement = summarize(calls, {
    span: { from, until },
    textsPerCall,
    isSteady: arrivals.kind === "closed",
  });
  for (const connection of connections) connection.close();
  return {
    ...measurement,
    answers,
    generatorMicroseconds: (user + system) / calls.length,
    generatorSeconds: (whole.user + whole.system) / 1e6,
  };
}

/** HTTP/1.1 needs a connection for each call in flight; gRPC has all its calls on one. */
async function openConnections({ url, protocol, arrivals }: LoadOrder): Promise<Connection[]> {
  const count = arrivals.kind === "closed" ? arrivals.callers : arrivals.connections;
  const shared = new GrpcConnection(url);
  const connections = Array.from({ length: count }, () =>
    protocol === "grpc" ? shared : new Http1Connection(url),
  );
  for (let from = 0; from < count; from += opensAtOnce) {
    await Promise.all(connections.slice(from, from + opensAtOnce).map((one) => one.open()));
  }
  return connections;
}
