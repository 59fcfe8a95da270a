// The mesh in one process, with tracing that is on in every other slice of time. Answers `port` once it serves, and to
// each message the slices since the last one: for `tracing.ts`.

import { systemClock } from "../../lib/clock.js";
import { noTracing, type Tracing } from "../../lib/tracing/tracing.js";
import { serveMesh } from "../../services/mesh.js";
import { createPlatform } from "../../services/platform.js";
import type { Slice } from "./slices.js";

/** Longer than three collections of garbage, shorter than the machine stays as it is. */
const sliceMs = 500;

class SwitchedTracing implements Tracing {
  readonly #tracing: Tracing;
  isOn = false;
  requests = 0;

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  enter: Tracing["enter"] = (arrival) => {
    this.requests += 1;
    return (this.isOn ? this.#tracing : noTracing).enter(arrival);
  };
}

const platform = await createPlatform(process.env, { version: "bench", role: "mesh" });
const tracing = new SwitchedTracing(platform.tracing);
const port = await serveMesh({ ...platform, tracing });

let slices: Slice[] = [];
let beganAtMs = systemClock.nowMs();
let cpuBefore = process.cpuUsage();
const timer = setInterval(() => {
  const { user, system } = process.cpuUsage(cpuBefore);
  const nowMs = systemClock.nowMs();
  slices.push({
    isTraced: tracing.isOn,
    requests: tracing.requests,
    seconds: (nowMs - beganAtMs) / 1_000,
    cpuSeconds: (user + system) / 1e6,
  });
  beganAtMs = nowMs;
  cpuBefore = process.cpuUsage();
  tracing.requests = 0;
  tracing.isOn = !tracing.isOn;
}, sliceMs);

process.on("message", () => {
  process.send?.(slices);
  slices = [];
});
process.once("disconnect", async () => {
  clearInterval(timer);
  await platform.close();
  process.exit();
});
process.send?.({ port });
