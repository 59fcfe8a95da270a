// What a request makes is garbage once it is answered, and V8 should find that while it is young. What grows old by mistake
// is copied twice, keeps all that it points to, and is found by full collections only. ARCHITECTURE.md says what did that.

import assert from "node:assert/strict";
import { test } from "node:test";
import { post } from "./support/clients.js";
import { startMesh } from "./support/mesh-process.js";

const requests = 1_500;
const collectionsMin = 3;

/** Through NODE_OPTIONS, which takes no option of V8. */
const tellCollections =
  "--import=data:text/javascript,import{setFlagsFromString}from'node:v8';" +
  "setFlagsFromString('--trace-gc');setFlagsFromString('--trace-gc-nvp')";

// So many callers that what their requests make outlives a collection, which V8 must not learn from: 0.01 to 0.1 kB, and 0.2
// (Node 26) to 6 (Node 20) when it did.
testGrowingOld("remembered", { callers: 64, requestsBefore: 4_000, bytesMax: 160 });
// So few that hardly anything does: 1 kB, of which most is remembered, and 4.4 when each batch had a hidden class.
testGrowingOld("computed", { callers: 2, requestsBefore: 1_500, bytesMax: 1_800 });

function testGrowingOld(
  kind: "remembered" | "computed",
  {
    callers,
    requestsBefore,
    bytesMax,
  }: {
    readonly callers: number;
    /** Before those that count: code is compiled, connections are made, V8 learns what lives for long. */
    readonly requestsBefore: number;
    readonly bytesMax: number;
  },
): void {
  test(`what a request for a ${kind} vector makes does not grow old`, async () => {
    // Without the image's options: with room for 64 MB of young objects so little outlives a collection that V8 learns nothing.
    const mesh = await startMesh("one", { NODE_OPTIONS: tellCollections }, []);
    try {
      const url = `${mesh.url}/embed`;
      let number = 0;
      const ask = (count: number) =>
        inTurns(callers, count, async () => {
          number += 1;
          const inputs = kind === "remembered" ? "the same text" : `text number ${number}`;
          const { status, json } = await post(url, { inputs });
          assert.equal(status, 200, JSON.stringify(json));
        });
      await ask(requestsBefore);
      const before = collectionsIn(mesh.gateway.printed.stdout);
      await ask(requests);
      const promoted = collectionsIn(mesh.gateway.printed.stdout).slice(before.length);
      assert.ok(promoted.length >= collectionsMin, `${promoted.length} collections`);
      const bytes = promoted.reduce((sum, each) => sum + each, 0) / requests;
      assert.ok(bytes < bytesMax, `${bytes.toFixed(0)} bytes of a request grew old`);
    } finally {
      await mesh.stop();
    }
  });
}

/** Runs `step` `count` times, at most `width` at once. */
async function inTurns(width: number, count: number, step: () => Promise<void>): Promise<void> {
  let begun = 0;
  const goOn = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      await step();
    }
  };
  await Promise.all(Array.from({ length: width }, goOn));
}

/** Bytes that each collection of a young generation made old, in all threads. */
function collectionsIn(printed: string): number[] {
  // V8 prints ` gc=s ` in Node 20, `"gc":"s"` in 26.
  const collections = printed.matchAll(/ gc=s .*? promoted=(\d+)|"gc":"s".*?"promoted":(\d+)/g);
  return [...collections].map(([, named, inJson]) => Number(named ?? inJson));
}
