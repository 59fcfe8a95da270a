// Prometheus's own parsers read the metrics of every process, in a virtual environment that is kept for the next run.

import { equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { post } from "../support/clients.js";
import { type MeshKind, startMesh } from "../support/mesh-process.js";
import { startCollector } from "../support/otlp-collector.js";
import { missing, run } from "../support/programs.js";
import { installPython } from "../support/python.js";

const requirements = join(packageRoot, "test/clients/openmetrics.requirements.txt");
const program = join(packageRoot, "test/clients/openmetrics.py");
const options = { timeout: 400_000, skip: missing("python3") };
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
const kinds: readonly MeshKind[] = ["one", "four"];

for (const kind of kinds) {
  test(
    `both texts say the same of the mesh as ${kind}, and histograms name traces`,
    options,
    async (t) => {
      const python = await installPython(requirements);
      if (python.problem !== undefined) return t.skip(`not installed: ${python.problem}`);
      const collector = await startCollector();
      t.after(() => collector.close());
      const mesh = await startMesh(kind, collector.env);
      t.after(() => mesh.stop());
      await post(`${mesh.url}/embed`, { inputs: ["a", "b"] }, { traceparent });
      await post(`${mesh.url}/embed`, { inputs: [] }, { traceparent });
      const processes = [mesh.gateway, ...Object.values(mesh.roles)];
      const urls = processes.map(({ url }) => url);
      const { code, stdout, stderr } = await run(python.command, [program, traceId, ...urls]);
      equal(code, 0, stderr);
      const found = stdout.trim().split("\n");
      equal(found.length, urls.length);
      for (const name of [
        "arrowmesh_call_duration_seconds",
        "arrowmesh_gateway_request_seconds",
        "arrowmesh_gateway_compute_seconds",
        "arrowengine_inference_latency_seconds",
        "prediction_latency_seconds",
        "te_request_duration",
        ...(kind === "four" ? ["arrowmesh_upstream_call_duration_seconds"] : []),
      ]) {
        ok(found[0]?.split(" ").includes(name), `${name} has no exemplar: ${found[0]}`);
      }
      const inference = found.find((line) => line.includes("arrowmesh_inference_queue_seconds"));
      ok(inference?.includes("arrowmesh_inference_compute_seconds"), "a batch names a trace in it");
      // Every role that the request came to has seen the trace.
      for (const line of found) ok(line.includes("arrowmesh_call_duration_seconds"), line);
    },
  );
}
