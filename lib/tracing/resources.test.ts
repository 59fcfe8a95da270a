import { deepEqual, equal, ok } from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { systemClock } from "../clock.js";
import { createResources } from "./resources.js";

test("each role is a service of its own, of one version, host and process", async () => {
  const resourceOf = await createResources({
    detectors: ["env", "host", "process", "serviceinstance"],
    version: "1.2.3",
    clock: systemClock,
  });
  const { attributes } = resourceOf("gateway");
  equal(attributes["service.name"], "arrowmesh-gateway");
  equal(attributes["service.namespace"], "arrowmesh");
  equal(attributes["service.version"], "1.2.3");
  equal(attributes["host.name"], hostname());
  equal(attributes["process.pid"], process.pid);
  ok(attributes["service.instance.id"]);
  const other = resourceOf("inference").attributes;
  equal(other["arrowmesh.role"], "inference");
  deepEqual(
    { ...other, "service.name": "arrowmesh-gateway", "arrowmesh.role": "gateway" },
    attributes,
  );
  equal(resourceOf("gateway"), resourceOf("gateway"));
  equal(resourceOf().attributes["service.name"], "arrowmesh");
});

test("the environment knows better, and its service name best", async (t) => {
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
  });
  const nameOf = async (): Promise<unknown> => {
    const options = { detectors: ["env"] as const, version: "1", clock: systemClock };
    const { attributes } = (await createResources(options))("gateway");
    equal(attributes["arrowmesh.role"], "gateway");
    return attributes["service.name"];
  };
  process.env.OTEL_RESOURCE_ATTRIBUTES = "service.name=mine,deployment.environment.name=test";
  equal(await nameOf(), "mine");
  process.env.OTEL_SERVICE_NAME = "better";
  equal(await nameOf(), "better");
});
