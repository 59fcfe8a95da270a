// huggingface_hub's InferenceClient, in a virtual environment that is kept for the next run.

import { deepEqual, equal, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startMesh } from "../support/mesh-process.js";
import { cacheFolder, missing, run } from "../support/programs.js";

const version = "2.4.0";
const venv = join(cacheFolder, `huggingface-hub-${version}`);
const python = join(venv, "bin/python");

const program = `
import json, sys
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
url = sys.argv[1]
client = InferenceClient(model=url, token="sesame")
long = "word " * 400

def refused(call):
    try:
        call()
    except HfHubHTTPError as error:
        return error.response.status_code

def labels(text, **options):
    found = client.text_classification(text, model=url + "/predict", **options)
    return [[item.label, item.score] for item in (found if isinstance(found, list) else [found])]

features = client.feature_extraction
print(json.dumps({
    "shape": list(features("hello world").shape),
    "batch": list(features(["hello", "world"]).shape),
    "cut": list(features("hello world", dimensions=8, normalize=False, truncate=True).shape),
    "lengths": [float((features("hello", normalize=unit) ** 2).sum()) for unit in (True, False)],
    "ends": [
        features(text, truncation_direction=side, dimensions=2).tolist()
        for side in ("left", "right") for text in ("first " + long, "second " + long)
    ],
    "tooLong": refused(lambda: features(long, truncate=False)),
    "prompt": refused(lambda: features("hello", prompt_name="nope")),
    "similarity": [
        client.sentence_similarity("a cat", other_sentences=["a kitten", "a theorem"], model=address)
        for address in (url, url + "/similarity")
    ],
    "labels": labels("I love it"),
    "top": labels("I hate it", top_k=1),
    "logits": labels("I love it", function_to_apply="none"),
    "otherKey": refused(lambda: InferenceClient(model=url, token="other").feature_extraction("a")),
}))
`;

interface Answers {
  readonly shape: readonly number[];
  readonly batch: readonly number[];
  readonly cut: readonly number[];
  readonly lengths: readonly [number, number];
  readonly ends: readonly (readonly number[])[];
  readonly tooLong: number;
  readonly prompt: number;
  readonly similarity: readonly (readonly [number, number])[];
  readonly labels: readonly (readonly [string, number])[];
  readonly top: readonly (readonly [string, number])[];
  readonly logits: readonly (readonly [string, number])[];
  readonly otherKey: number;
}

test("InferenceClient extracts features, compares sentences and classifies texts", {
  timeout: 300_000,
  skip: missing("python3"),
}, async (t) => {
  const problem = await install();
  if (problem !== undefined) return t.skip(`huggingface_hub cannot be installed: ${problem}`);
  const mesh = await startMesh("one", { API_KEY: "sesame" });
  try {
    const { code, stdout, stderr } = await run(python, ["-c", program, mesh.url]);
    equal(code, 0, stderr);
    check(JSON.parse(stdout));
  } finally {
    await mesh.stop();
  }
});

function check(answers: Answers): void {
  deepEqual(
    [answers.shape, answers.batch, answers.cut],
    [
      [1, 384],
      [2, 384],
      [1, 8],
    ],
  );
  ok(Math.abs(answers.lengths[0] - 1) < 1e-5 && answers.lengths[1] > 1.5);
  const [leftFirst, leftSecond, rightFirst, rightSecond] = answers.ends;
  deepEqual(leftFirst, leftSecond);
  ok(JSON.stringify(rightFirst) !== JSON.stringify(rightSecond));
  deepEqual([answers.tooLong, answers.prompt, answers.otherKey], [422, 422, 401]);
  const [atRoot, atRoute] = answers.similarity;
  deepEqual(atRoot, atRoute);
  ok((atRoot?.[0] ?? 0) > (atRoot?.[1] ?? 0));
  equal(answers.labels[0]?.[0], "POSITIVE");
  equal(answers.top[0]?.[0], "NEGATIVE");
  ok((answers.logits[0]?.[1] ?? 0) > (answers.labels[0]?.[1] ?? 0));
}

/** Why it failed, or undefined. */
async function install(): Promise<string | undefined> {
  const isThere = async () =>
    (await run(python, ["-c", "import huggingface_hub, numpy"])).code === 0;
  if (existsSync(python) && (await isThere())) return undefined;
  const created = await run("python3", ["-m", "venv", "--clear", venv]);
  if (created.code !== 0) return created.stdout + created.stderr;
  const packages = [`huggingface_hub==${version}`, "numpy"];
  const installed = await run(python, ["-m", "pip", "install", "-q", ...packages], {
    msMax: 240_000,
  });
  return installed.code === 0 ? undefined : installed.stderr;
}
