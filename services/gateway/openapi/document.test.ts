import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { optional } from "../http/bodies.js";
import { createDocument } from "./document.js";
import type { DeclaredRoute } from "./operation.js";

const facts = { version: "1.2.3", isPublicCall: undefined };
const protocol = {
  tag: "Test",
  description: "A protocol.",
  error: {
    schema: z.object({ error: z.string() }).meta({ id: "TestError" }),
    statuses: [404, 422],
  },
};

function documentOf(...routes: readonly DeclaredRoute[]) {
  const document = createDocument(routes, facts);
  /** A part of an operation, whose shape the caller knows. */
  const part = <T>(path: string, method: string, name: string): T => {
    const operation = document.paths[path]?.[method];
    ok(operation !== undefined && name in operation, `${method} ${path} has no ${name}`);
    return operation[name] as T;
  };
  return { ...document, part };
}

test("a body is described as a caller sends it, before transforms", () => {
  const body = z.object({
    text: z.string().transform((text) => text.length),
    size: optional(z.int().min(1)),
  });
  const { paths } = documentOf({ method: "POST", url: "/a", schema: { body } });
  deepEqual(paths["/a"]?.post?.requestBody, {
    required: true,
    content: {
      "application/json": {
        schema: {
          type: "object",
          properties: {
            text: { type: "string" },
            size: { anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }] },
          },
          required: ["text"],
        },
      },
    },
  });
});

test("a body that may be left out is not required", () => {
  const body = z.object({}).optional();
  const { part } = documentOf({ method: "POST", url: "/a", schema: { body } });
  equal(part<{ required: boolean }>("/a", "post", "requestBody").required, false);
});

test("examples have their name as summary, and belong to JSON alone", () => {
  const body = {
    content: {
      "application/json": { schema: z.string() },
      "application/octet-stream": { schema: z.unknown() },
    },
  };
  const schema = { body, examples: { "A word": "a" } };
  const { part } = documentOf({ method: "POST", url: "/a", schema });
  deepEqual(part<{ content: unknown }>("/a", "post", "requestBody").content, {
    "application/json": {
      schema: { type: "string" },
      examples: { example1: { summary: "A word", value: "a" } },
    },
    "application/octet-stream": { schema: {} },
  });
});

test("a schema with an id is one component, wherever it is used", () => {
  const item = z.object({ name: z.string() }).meta({ id: "TestItem" });
  const { part, components } = documentOf(
    { method: "GET", url: "/one", schema: { response: { 200: item } } },
    { method: "GET", url: "/all", schema: { response: { 200: z.array(item) } } },
  );
  const reference = { $ref: "#/components/schemas/TestItem" };
  const answerOf = (path: string) =>
    part<Record<string, { content: unknown }>>(path, "get", "responses")["200"]?.content;
  deepEqual(answerOf("/one"), { "application/json": { schema: reference } });
  deepEqual(answerOf("/all"), {
    "application/json": { schema: { type: "array", items: reference } },
  });
  const { TestItem } = components.schemas as Record<string, unknown>;
  deepEqual(TestItem, {
    type: "object",
    properties: { name: { type: "string" } },
    required: ["name"],
  });
});

test("two schemas of one id are a mistake of ours", () => {
  const response = {
    200: z.object({ a: z.string().meta({ id: "TestTwice" }) }),
    201: z.object({ a: z.number().meta({ id: "TestTwice" }) }),
  };
  throws(() => documentOf({ method: "GET", url: "/a", schema: { response } }));
});

test("a protocol gives its routes a heading and errors in its shape", () => {
  const answerHeaders = { "x-time": "Milliseconds it took." };
  const { part, tags } = documentOf(
    { method: "GET", url: "/probe", schema: {} },
    { method: "GET", url: "/a", schema: { protocol, answerHeaders } },
  );
  const [first, last] = tags;
  deepEqual(first, { name: "Test", description: "A protocol." });
  equal(last?.name, "Server");
  deepEqual(part("/a", "get", "tags"), ["Test"]);
  const responses = part<Record<string, Record<string, unknown>>>("/a", "get", "responses");
  deepEqual(Object.keys(responses), ["200", "404", "422"]);
  deepEqual(responses["200"]?.headers, {
    "x-time": { description: "Milliseconds it took.", schema: { type: "string" } },
  });
  deepEqual(responses["422"], {
    description: "A field is not valid.",
    content: { "application/json": { schema: { $ref: "#/components/schemas/TestError" } } },
  });
});

test("a route's own meaning of a status goes before its protocol's", () => {
  const response = { 200: z.string(), 404: z.literal("none") };
  const { part } = documentOf({ method: "GET", url: "/a", schema: { protocol, response } });
  const responses = part<Record<string, { content: unknown }>>("/a", "get", "responses");
  deepEqual(responses["404"]?.content, {
    "application/json": { schema: { type: "string", const: "none" } },
  });
});

test("parameters of the path are named by the path, or described by a schema", () => {
  const id = z.string().meta({ description: "Which one." });
  const querystring = z.object({ raw: z.boolean().optional() });
  const schema = { params: z.object({ id }), querystring };
  const { paths } = documentOf(
    { method: "GET", url: "/plain/:id", schema: {} },
    { method: "GET", url: "/told/:id", schema },
  );
  const type = "string";
  deepEqual(paths["/plain/{id}"]?.get?.parameters, [
    { name: "id", in: "path", required: true, schema: { type } },
  ]);
  deepEqual(paths["/told/{id}"]?.get?.parameters, [
    { name: "id", in: "path", required: true, description: "Which one.", schema: { type } },
    { name: "raw", in: "query", required: false, schema: { type: "boolean" } },
  ]);
});

test("a route that serves several paths stands in the document as those", () => {
  const body = z.string();
  const own = { "/a/:id": { summary: "One" }, "/a/:id/run": { summary: "Run", body } };
  const { paths } = documentOf({ method: "POST", url: "/a/*", schema: { protocol, paths: own } });
  deepEqual(
    Object.entries(paths).map(([path, { post }]) => [path, post?.summary, post?.tags]),
    [
      ["/a/{id}", "One", ["Test"]],
      ["/a/{id}/run", "Run", ["Test"]],
    ],
  );
});

test("where callers need a key, the document says so, and for which routes they do not", () => {
  const isPublicCall = (name: string) => name === "GET /open/*";
  const open = { "/open/:id": {} };
  const { security, components, paths } = createDocument(
    [
      { method: "GET", url: "/open/*", schema: { paths: open } },
      { method: "GET", url: "/closed", schema: {} },
    ],
    { version: "1", isPublicCall },
  );
  deepEqual(security, [{ key: [] }]);
  deepEqual(components.securitySchemes, { key: { type: "http", scheme: "bearer" } });
  deepEqual(paths["/open/{id}"]?.get?.security, []);
  equal(paths["/closed"]?.get?.security, undefined);
});
