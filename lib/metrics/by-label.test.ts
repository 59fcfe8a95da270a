import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { ByLabel, labelValuesMax } from "./by-label.js";

test("each value has counts of its own, and those beyond the bound share one", () => {
  const counts = new ByLabel(() => ({ seen: 0 }));
  for (let i = 0; i < labelValuesMax + 5; i += 1) counts.of(`model-${i}`).seen += 1;
  counts.of("model-0").seen += 1;
  const all = new Map(counts.entries());
  equal(all.size, labelValuesMax + 1);
  deepEqual([all.get("model-0")?.seen, all.get("other")?.seen], [2, 5]);
});
