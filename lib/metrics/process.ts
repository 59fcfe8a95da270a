import { collectDefaultMetrics, type Registry } from "prom-client";
import { registerMetric } from "./register.js";

/** What every process tells of itself: CPU, memory, event loop and garbage collection; and what it is. */
export function observeProcess(
  registry: Registry,
  build: { readonly version: string; readonly role: string },
): void {
  collectDefaultMetrics({ register: registry });
  registerMetric(registry, {
    name: "arrowmesh_build_info",
    help: "1; which version of the mesh this process runs, and as what.",
    type: "gauge",
    read: () => [{ labels: { ...build }, value: 1 }],
  });
}
