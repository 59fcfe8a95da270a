import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { fastify } from "fastify";
import { z } from "zod";
import { optional } from "../http/bodies.js";
import { toFault } from "../http/errors.js";
import { describeProtocol, useZodSchemas } from "./route-schemas.js";

const error = z.object({ error: z.string() });

function createScope() {
  const app = fastify();
  app.decorateRequest("call", undefined);
  useZodSchemas(app);
  app.setErrorHandler((thrown, _request, reply) => {
    const { fault, message, details } = toFault(thrown);
    return reply.code(422).send({ fault, message, fields: details.fields });
  });
  const protocol = { tag: "Test", description: "", error: { schema: error, statuses: [422] } };
  return describeProtocol(app, protocol);
}

const body = z.object({ name: z.string(), size: optional(z.int()).transform((size) => size ?? 7) });

test("a handler reads what the route's schema makes of the body", async () => {
  const scope = createScope();
  scope.post("/", { schema: { body } }, async (request) => {
    // The compiler knows the type: no doubt, and no cast.
    const name: string = request.body.name;
    const size: number = request.body.size;
    return { name, size };
  });
  const answer = await scope.inject({ method: "POST", url: "/", payload: { name: "a", more: 1 } });
  deepEqual(answer.json(), { name: "a", size: 7 });
});

test("a body against the schema is the caller's mistake, field by field", async () => {
  const scope = createScope();
  scope.post("/", { schema: { body } }, async () => "reached");
  const answer = await scope.inject({ method: "POST", url: "/", payload: { name: 1 } });
  const description = "Invalid input: expected string, received number";
  deepEqual(answer.json(), {
    fault: "invalid",
    message: `Input validation error: \`name\`: ${description}`,
    fields: [{ field: "name", description }],
  });
});

test("schemas of answers neither check nor change an answer", async () => {
  const scope = createScope();
  const response = { 200: z.object({ name: z.string() }) };
  scope.get("/json", { schema: { response } }, async () => ({ other: [1] }));
  scope.get("/bytes", { schema: { response } }, async (_request, reply) => {
    return await reply.type("application/json").send(Buffer.from("[0.5]"));
  });
  equal((await scope.inject("/json")).body, '{"other":[1]}');
  equal((await scope.inject("/bytes")).body, "[0.5]");
});
