// npm run bench [-- --case NAME]... [--seconds N] [--patience N] [--four]: what the mesh does on this machine, next to
// what the machine can do. docs/benchmarks.md says what the cases mean.

import { parseArgs } from "node:util";
import { Bench, type Row } from "./bench.js";
import { type Case, cases } from "./cases.js";
import { describeCpu } from "./cpu.js";
import { Patience } from "./patience.js";
import { toLine, toTable } from "./table.js";

const { values } = parseArgs({
  options: {
    case: { type: "string", multiple: true, default: Object.keys(cases) },
    seconds: { type: "string", default: "6" },
    patience: { type: "string", default: "120" },
    four: { type: "boolean", default: false },
  },
});
const kind = values.four ? "four" : "one";
const chosen = values.case.map(findCase);

const bench = await Bench.open({
  kind,
  seconds: Number(values.seconds),
  patience: new Patience(Number(values.patience)),
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

const cpu = describeCpu();
console.log(`The mesh as ${kind}; ${cpu}; Node ${process.version}; ${values.seconds} s a case\n`);
console.log(toTable(rows));
if (rows.some(({ loaded }) => loaded.failures > 0)) process.exitCode = 1;

function findCase(name: string): Case {
  const found = cases[name];
  if (found === undefined) {
    throw new Error(`no case ${name}; there are ${Object.keys(cases).join(", ")}`);
  }
  return found;
}
