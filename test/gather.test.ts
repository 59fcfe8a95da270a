// Requests that come at once share calls between processes, and no caller can tell.

import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { post } from "./support/clients.js";
import { startMesh } from "./support/mesh-process.js";

const requestsAtOnce = 60;

test("requests at once share calls, and each is answered as if it were alone", {
  timeout: 120_000,
}, async () => {
  const mesh = await startMesh("four", { CLIENT_BATCH_MAX: String(requestsAtOnce) });
  try {
    const texts = Array.from({ length: requestsAtOnce }, (_, index) => `share ${index} of it`);
    const atOnce = texts.map((text, index) => {
      // Every sixth has more tokens than the model takes, which is not the error of those it goes with.
      const inputs = index % 6 === 0 ? `${text} ${"word ".repeat(300)}` : text;
      return post(`${mesh.url}/embed`, { inputs, truncate: index % 6 > 1 });
    });
    const answers = await Promise.all(atOnce);
    const shared = await callsOf(mesh.roles.tokenizer?.url, "Encode");
    const streams = await callsOf(mesh.roles.inference?.url, "EmbedEach");
    const single = await callsOf(mesh.roles.inference?.url, "Embed");
    const decided = await callsOf(mesh.roles.ratelimit?.url, "Decide");

    const { json: alone } = await post(`${mesh.url}/embed`, { inputs: texts });
    for (const [index, { status, json }] of answers.entries()) {
      if (index % 6 === 0) equal(status, 422);
      else ok(distance((json as number[][])[0], (alone as number[][])[index]) <= 1e-6);
    }
    ok(decided > 0);
    ok(shared < requestsAtOnce, `${shared} Encode calls`);
    ok(streams > 0);
    ok(streams + single < requestsAtOnce / 2, `${streams} EmbedEach and ${single} Embed calls`);
  } finally {
    await mesh.stop();
  }
});

test("who leaves takes no vector from those who stay", { timeout: 120_000 }, async () => {
  const mesh = await startMesh("four", { CLIENT_BATCH_MAX: String(requestsAtOnce) });
  try {
    const texts = Array.from({ length: requestsAtOnce }, (_, index) => `stay ${index} or go`);
    const leaver = new AbortController();
    const isLeaving = (index: number): boolean => index % 3 === 0;
    const atOnce = texts.map(async (inputs, index) => {
      const response = await fetch(`${mesh.url}/embed`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ inputs }),
        signal: isLeaving(index) ? leaver.signal : AbortSignal.timeout(60_000),
      });
      return ((await response.json()) as number[][])[0];
    });
    const settled = Promise.allSettled(atOnce);
    await Promise.race(atOnce);
    leaver.abort();
    const answers = await settled;
    const { json: alone } = await post(`${mesh.url}/embed`, { inputs: texts });
    for (const [index, answer] of answers.entries()) {
      if (answer.status === "rejected") ok(isLeaving(index), String(answer.reason));
      else ok(distance(answer.value, (alone as number[][])[index]) <= 1e-6);
    }
  } finally {
    await mesh.stop();
  }
});

function distance(a: readonly number[] = [], b: readonly number[] = []): number {
  equal(a.length, b.length);
  return Math.max(...a.map((value, index) => Math.abs(value - (b[index] ?? Number.NaN))));
}

/** How many calls of a method a role has answered, by its own metrics. */
async function callsOf(url = "", method: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.includes(`/${method}"`));
  const counts = lines.filter((line) => line.startsWith("arrowmesh_call_duration_seconds_count"));
  return counts.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
