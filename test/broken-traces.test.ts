// The judge of tracing, also run by `npm run test:traces`: every protocol at once, one replica of inference killed in
// between, and then not one broken trace in a real Jaeger. REQUESTS is how many to send by each protocol.

import { deepEqual, equal, ok } from "node:assert/strict";
import { describe, test } from "node:test";
import { driveProtocols } from "./support/drive-protocols.js";
import { startJaeger } from "./support/jaeger.js";
import { jaegerBuildMsMax } from "./support/jaeger-program.js";
import { type Judgement, judgeTraces } from "./support/judge-traces.js";
import { missing } from "./support/programs.js";
import { startReplicatedMesh } from "./support/replicated-mesh.js";

const requests = Number(process.env.REQUESTS ?? 24);
const concurrency = 16;
const timeout = jaegerBuildMsMax + 600_000;
const faultsShown = 20;

interface Case {
  readonly name: string;
  readonly isSampled: boolean;
  readonly env: NodeJS.ProcessEnv;
}

const cases: readonly Case[] = [
  { name: "when all are kept", isSampled: true, env: { OTEL_TRACES_SAMPLER: "always_on" } },
  {
    name: "when only failed and slow ones are kept, and a few by chance",
    isSampled: false,
    env: {
      OTEL_TRACES_SAMPLER: "traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.1",
      TRACE_SLOW_MS: "100",
      TRACE_UNSAMPLED_PER_SECOND_MAX: "1000000",
    },
  },
];

describe("no trace is broken or orphaned", { timeout, skip: missing("go") }, () => {
  for (const { name, isSampled, env } of cases) {
    test(name, async () => {
      const jaeger = await startJaeger();
      try {
        const mesh = await startReplicatedMesh({
          ...env,
          OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlpGrpcUrl,
          OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
          OTEL_BSP_SCHEDULE_DELAY: "100",
        });
        const { url, victimPid, kill } = mesh;
        const sent = await driveProtocols({
          ...{ url, requests, concurrency, isSampled },
          atHalf: kill,
        }).finally(() => mesh.stop());
        const { query } = jaeger;
        const { killedMs } = mesh;
        const judgement = await judgeTraces({ query, sent, isSampled, victimPid, killedMs });
        console.log(toTable(name, judgement));

        deepEqual(judgement.faults.slice(0, faultsShown), []);
        deepEqual(judgement.lostLinks.slice(0, faultsShown), []);
        ok(judgement.linkCount > 0, "no span has a link");
        const failed = sent.filter(({ error }) => error !== undefined);
        // What the killed replica had in work may fail; everybody else gets an answer.
        ok(failed.length <= 2 * concurrency, failed.map(({ error }) => error).join("\n"));
        equal(sent.length, 10 * requests);
      } finally {
        await jaeger.stop();
      }
    });
  }
});

function toTable(name: string, { verdicts, linkCount, lostLinks }: Judgement): string {
  const rows = verdicts.map((verdict) => [
    verdict.name,
    verdict.requests,
    verdict.failed,
    verdict.traces,
    verdict.spans,
    verdict.faults.length,
  ]);
  const titles = ["", "requests", "failed", "traces", "spans", "faults"];
  const lines = [titles, ...rows].map((cells) => {
    const [first = "", ...others] = cells.map(String);
    return first.padEnd(18) + others.map((cell) => cell.padStart(10)).join("");
  });
  return [
    ...[`traces ${name}`, ...lines],
    `links ${linkCount}, of which lead nowhere ${lostLinks.length}`,
  ].join("\n");
}
