import { deepEqual } from "node:assert/strict";
import type { Profiler } from "node:inspector";
import { test } from "node:test";
import { shareOf } from "./profile-share.js";

test("the share of files is their functions' time and that of all they call, of all that is not idle", () => {
  const profile = {
    ...{ startTime: 0, endTime: 100 },
    nodes: [
      node(1, "(root)", "", [2, 3, 6]),
      node(2, "(idle)", ""),
      node(3, "serve", "file:///app.js", [4]),
      node(4, "count", "file:///metrics.js", [5]),
      node(5, "set", ""),
      node(6, "set", ""),
    ],
    samples: [3, 4, 2, 5, 2, 6, 3, 2, 3],
  };
  const isMeant = (url: string): boolean => url.endsWith("/metrics.js");
  deepEqual(shareOf(profile, isMeant), { share: 2 / 6, samples: 2, busySamples: 6 });
});

function node(
  id: number,
  functionName: string,
  url: string,
  children: number[] = [],
): Profiler.ProfileNode {
  const callFrame = { functionName, url, scriptId: "1", lineNumber: 0, columnNumber: 0 };
  return { id, callFrame, children };
}
