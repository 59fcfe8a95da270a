// The mesh in one process, with a profiler. Answers `port` once it serves; then, in turns, that the profiler runs, and what
// it saw: for `metrics.ts`.

import type { Profiler } from "node:inspector";
import { Session } from "node:inspector/promises";
import { performance } from "node:perf_hooks";
import { serveMesh } from "../../services/mesh.js";
import { createPlatform } from "../../services/platform.js";

/** Often enough for a share of 1 % to be hundreds of samples, seldom enough not to be seen itself. */
const sampleUs = 500;

export interface Profiled {
  readonly profile: Profiler.Profile;
  /** How long the event loop was busy; where the model takes its core, it waits for one meanwhile. */
  readonly loopSeconds: number;
  /** Of all threads, the model's included. */
  readonly cpuSeconds: number;
}

const platform = await createPlatform(process.env, { version: "bench", role: "mesh" });
const port = await serveMesh(platform);

const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.setSamplingInterval", { interval: sampleUs });

let cpuBefore = process.cpuUsage();
let loopBefore = performance.eventLoopUtilization();
process.on("message", async (question) => {
  if (question === "start") {
    await session.post("Profiler.start");
    cpuBefore = process.cpuUsage();
    loopBefore = performance.eventLoopUtilization();
    process.send?.("started");
  } else {
    const { user, system } = process.cpuUsage(cpuBefore);
    const { active } = performance.eventLoopUtilization(loopBefore);
    const { profile } = await session.post("Profiler.stop");
    const profiled: Profiled = {
      profile,
      loopSeconds: active / 1_000,
      cpuSeconds: (user + system) / 1e6,
    };
    process.send?.(profiled);
  }
});
process.once("disconnect", async () => {
  session.disconnect();
  await platform.close();
  process.exit();
});
process.send?.({ port });
