// Every recorded answer of text-embeddings-inference 1.9.3 against meshes that are set up as it was.

import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { packageRoot } from "../lib/package-root.js";
import { post } from "./support/clients.js";
import { startMesh } from "./support/mesh-process.js";
import { casesMissing, readTeiCases, send, type TeiCase } from "./support/tei-cases.js";
import { differencesOf } from "./support/tei-compare.js";
import { teiConfigs, teiFp32 } from "./support/tei-configs.js";
import { deliberate } from "./support/tei-differences.js";

const equalShareMin = 0.98;

interface Outcome {
  readonly one: TeiCase;
  /** The deliberate difference that explains the answer, if one does. */
  readonly because: string | undefined;
  readonly differences: readonly string[];
}

test("recorded answers of text-embeddings-inference are equal, or differ for a named reason", {
  timeout: 300_000,
  skip: casesMissing,
}, async (t) => {
  const cases = readTeiCases();
  const outcomes: Outcome[] = [];
  for (const [config, configure] of Object.entries(teiConfigs)) {
    const env = configure(t);
    outcomes.push(
      ...(await runAll(
        t,
        cases.filter((one) => one.config === config),
        env,
      )),
    );
  }
  equal(outcomes.length, cases.length);
  const other = outcomes.filter(({ differences }) => differences.length > 0);
  for (const { one, differences } of other) {
    t.diagnostic(`${one.config}: ${one.id}: ${differences.slice(0, 3).join("; ").slice(0, 600)}`);
  }
  for (const { name } of deliberate) {
    const count = outcomes.filter(({ because }) => because === name).length;
    t.diagnostic(`${count} differ because of: ${name}`);
  }
  const share = 1 - other.length / outcomes.length;
  t.diagnostic(`${(share * 100).toFixed(1)} % of ${outcomes.length} are equal or explained`);
  ok(share >= equalShareMin);
});

test("the vectors of text-embeddings-inference's own test", {
  timeout: 120_000,
  skip: casesMissing,
}, async () => {
  const mesh = await startMesh("one", teiFp32);
  try {
    const single = (await post(`${mesh.url}/embed`, { inputs: "test", dimensions: 128 })).json;
    const [vector = []] = single as number[][];
    equal(vector.length, 128);
    const wanted = [0.020964134, 0.04565805, -0.066505864, 0.10739273, -0.013054413];
    for (const [at, value] of wanted.entries()) {
      ok(Math.abs(value - (vector[at] ?? 0)) <= 4e-3, `${vector[at]} is not ${value}`);
    }
    const inputs = ["test", "test", "test"];
    const batch = (await post(`${mesh.url}/embed`, { inputs, dimensions: 128 })).json;
    deepEqual(batch, [vector, vector, vector]);
  } finally {
    await mesh.stop();
  }
});

test("the documentation names every deliberate difference and its reason", () => {
  const page = readFileSync(join(packageRoot, "docs/text-embeddings-inference.md"), "utf8");
  const missing = deliberate.filter(
    ({ name, reason }) => !page.includes(`| ${name} | ${reason} |`),
  );
  deepEqual(
    missing.map(({ name }) => name),
    [],
  );
});

/** One after another: some cases fill the mesh to its bound. */
async function runAll(
  t: TestContext,
  cases: readonly TeiCase[],
  env: NodeJS.ProcessEnv,
): Promise<readonly Outcome[]> {
  const mesh = await startMesh("one", env);
  const outcomes: Outcome[] = [];
  try {
    for (const one of cases) {
      const answer = await send(mesh.url, one);
      const differences = differencesOf(one, answer);
      const reason = deliberate.find(({ applies }) => applies(one));
      const isExplained = differences.length > 0 && reason !== undefined;
      outcomes.push({
        one,
        because: isExplained ? reason.name : undefined,
        differences: isExplained ? reason.check(one, answer) : differences,
      });
    }
  } finally {
    await mesh.stop();
  }
  t.diagnostic(`${cases.length} cases ran`);
  return outcomes;
}
