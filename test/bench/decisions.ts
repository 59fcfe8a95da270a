// npm run bench:decisions [-- --seconds N] [--rounds N] [--keys N]: decisions over gRPC (Envoy's ShouldRateLimit, 1,000 keys
// unless told otherwise, at most 16 connections) by this project and by envoyproxy/ratelimit, in turns, with a real Redis on
// this machine. Needs Go and redis-server.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { describeCpu } from "./cpu.js";
import {
  type OpenServer,
  startEmpty,
  startEnvoy,
  startOwn,
  writePolicy,
} from "./decision-servers.js";
import { type Decisions, Ghz } from "./ghz.js";
import { mean } from "./measure.js";
import { startRedis } from "./redis.js";
import { shown, toMarkdown } from "./table.js";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    keys: { type: "string", default: "1000" },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(tmpdir(), "arrowmesh-decisions-"));
const releases: (() => Promise<void>)[] = [async () => rmSync(folder, { recursive: true })];

try {
  const ghz = await Ghz.open(folder, Number(values.keys));
  const config = writePolicy(folder);
  const redis = await startRedis();
  releases.push(() => redis.stop());
  const servers: Readonly<Record<string, OpenServer>> = {
    "envoyproxy/ratelimit, Redis": await keep(startEnvoy(folder, redis.address)),
    "arrowmesh, Redis": await keep(startOwn(config, redis.url)),
    "arrowmesh, Redis, leases": await keep(startOwn(writePolicy(folder, true), redis.url)),
    "arrowmesh, memory": await keep(startOwn(config, undefined)),
    "grpc-js and Protobuf, no decision": await keep(startEmpty("messages")),
    "grpc-js, empty": await keep(startEmpty()),
  };
  // Until compilers have seen enough of it.
  for (const server of Object.values(servers)) await ghz.load(server, { callers: 16, seconds: 2 });
  const rows: string[][] = [];
  for (const callers of [1, 16, 64]) {
    const measured = new Map<string, Decisions[]>(Object.keys(servers).map((name) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, server] of Object.entries(servers)) {
        const decisions = await ghz.load(server, { callers, seconds });
        measured.get(name)?.push(decisions);
        console.error(`c=${callers} ${name}: ${decisions.perSecond.toFixed(0)}/s`);
      }
    }
    rows.push(...toRows(callers, measured));
  }
  console.log(`${describeCpu()}; Node ${process.version}; ${rounds} rounds of ${seconds} s\n`);
  const columns = ["callers", "server", "decisions/s", "ratio", "p50 ms", "p99 ms", "CPU µs"];
  console.log(toMarkdown([...columns, "failures"], rows));
} finally {
  for (const release of releases.reverse()) await release();
}

async function keep(starting: Promise<OpenServer>): Promise<OpenServer> {
  const server = await starting;
  releases.push(() => server.stop());
  return server;
}

/** Ratios are to the first server, round by round. */
function toRows(callers: number, measured: ReadonlyMap<string, readonly Decisions[]>): string[][] {
  const [peer = []] = measured.values();
  return [...measured].map(([name, own]) => {
    const of = (field: keyof Decisions): number => mean(own.map((round) => round[field]));
    const ratio = mean(own.map((round, at) => round.perSecond / (peer[at]?.perSecond ?? 1)));
    return [
      ...[String(callers), name, shown(of("perSecond"), 0), shown(ratio, 2)],
      ...[shown(of("p50Ms"), 2), shown(of("p99Ms"), 1), shown(of("serverCpuUs"), 0)],
      shown(of("failures"), 0),
    ];
  });
}
