// npm run bench [-- --case NAME]... [--seconds N] [--patience N] [--four]: what the mesh does on this machine, next to
// what the machine can do; with --tracing or --metrics: what these cost. docs/benchmarks.md says what the cases mean.

import { parseArgs } from "node:util";
import { Bench, type Row } from "./bench.js";
import { type Case, cases } from "./cases.js";
import { describeCpu } from "./cpu.js";
import { profileMetrics } from "./metrics.js";
import { Patience } from "./patience.js";
import { toLine, toTable } from "./table.js";
import { compareTracing } from "./tracing.js";

const { values } = parseArgs({
  options: {
    case: { type: "string", multiple: true, default: Object.keys(cases) },
    seconds: { type: "string" },
    patience: { type: "string", default: "120" },
    four: { type: "boolean", default: false },
    tracing: { type: "boolean", default: false },
    metrics: { type: "boolean", default: false },
  },
});
const kind = values.four ? "four" : "one";
const seconds = Number(values.seconds ?? (values.tracing ? 90 : values.metrics ? 30 : 6));
const patience = new Patience(Number(values.patience));

if (values.tracing) await print(compareTracing({ seconds }));
else if (values.metrics) await print(profileMetrics({ seconds }));
else await runCases(values.case.map(findCase));

async function print(table: Promise<string>): Promise<void> {
  console.log(`${describeMachine()}\n\n${await table}`);
}

async function runCases(chosen: readonly Case[]): Promise<void> {
  const bench = await Bench.open({
    kind,
    seconds,
    patience,
  });
  const rows: Row[] = [];
  try {
    for (const run of chosen) {
      const measured = await run(bench);
      for (const row of measured) console.error(toLine(row));
      rows.push(...measured);
    }
  } finally {
    await bench.close();
  }

  console.log(`The mesh as ${kind}; ${describeMachine()}\n`);
  console.log(toTable(rows));
  if (rows.some(({ loaded }) => loaded.failures > 0)) process.exitCode = 1;
}

function describeMachine(): string {
  return `${describeCpu()}; Node ${process.version}; ${seconds} s a case`;
}

function findCase(name: string): Case {
  const found = cases[name];
  if (found === undefined) {
    throw new Error(`no case ${name}; there are ${Object.keys(cases).join(", ")}`);
  }
  return found;
}
