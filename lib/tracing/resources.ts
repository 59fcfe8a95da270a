import {
  defaultResource,
  detectResources,
  envDetector,
  hostDetector,
  osDetector,
  processDetector,
  type Resource,
  type ResourceDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from "@opentelemetry/resources";
import type { Clock } from "../clock.js";
import { getOrAdd } from "../get-or-add.js";
import type { TracingConfig } from "./config.js";

/** How long a detector may take, to read the host's id from a file for one. */
const detectMsMax = 1_000;

/**
 * What traces say of who made them. Each role is a service of its own, also where several share a process;
 * what is of no role is the mesh's. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say otherwise.
 */
export async function createResources(options: {
  readonly detectors: readonly DetectorName[];
  readonly version: string;
  readonly clock: Clock;
}): Promise<(role?: string) => Resource> {
  const { detectors, version, clock } = options;
  const detected = detectResources({ detectors: detectors.flatMap((name) => detectorsOf[name]) });
  await settle(detected, clock);
  const known = new Map<string, Resource>();
  return (role = "") =>
    getOrAdd(known, role, () =>
      defaultResource().merge(ownResource(role, version)).merge(detected),
    );
}

function ownResource(role: string, version: string): Resource {
  return resourceFromAttributes({
    "service.name": role === "" ? "arrowmesh" : `arrowmesh-${role}`,
    "service.namespace": "arrowmesh",
    "service.version": version,
    ...(role !== "" && { "arrowmesh.role": role }),
  });
}

const all = [envDetector, hostDetector, osDetector, processDetector, serviceInstanceIdDetector];
type DetectorName = TracingConfig["resourceDetectors"][number];
const detectorsOf: Record<DetectorName, readonly ResourceDetector[]> = {
  env: [envDetector],
  host: [hostDetector],
  os: [osDetector],
  process: [processDetector],
  serviceinstance: [serviceInstanceIdDetector],
  all,
  none: [],
};

/** Some attributes are promises at first; those that are late are left out. */
async function settle(resource: Resource, clock: Clock): Promise<void> {
  if (resource.asyncAttributesPending !== true) return;
  await new Promise<void>((resolve) => {
    const cancel = clock.at(clock.nowMs() + detectMsMax, resolve);
    void resource.waitForAsyncAttributes?.().finally(() => {
      cancel();
      resolve();
    });
  });
}
