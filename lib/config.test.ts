import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  ConfigError,
  flag,
  integer,
  list,
  oneOf,
  readConfig,
  readConfigs,
  secret,
  text,
} from "./config.js";

const schema = {
  port: { env: "PORT", doc: "a port", parse: integer({ min: 1, max: 9 }), fallback: 5 },
  name: { env: "NAME", doc: "a name", parse: text() },
  mode: { env: "MODE", doc: "a mode", parse: oneOf(["a", "b"]), fallback: undefined },
  isOn: { env: "ON", doc: "a switch", parse: flag(), fallback: false },
  items: { env: "ITEMS", doc: "a list", parse: list(), fallback: ["x"] },
} as const;

test("variables are parsed, and missing ones take their fallback", () => {
  const config = readConfig(schema, { NAME: "n", ON: "1", ITEMS: "a, b,,", PORT: " " });
  deepEqual({ ...config }, { port: 5, name: "n", mode: undefined, isOn: true, items: ["a", "b"] });
});

test("all problems of all schemas are reported together, each once", () => {
  const env = { PORT: "10", MODE: "c", ON: "maybe" };
  throws(
    () => readConfigs({ one: schema, two: { port: schema.port } }, env),
    (error) => {
      ok(error instanceof ConfigError);
      deepEqual(error.problems, [
        "PORT: expected an integer in 1..9",
        "NAME is required (a name)",
        "MODE: expected one of a, b",
        "ON: expected true or false",
      ]);
      return true;
    },
  );
});

test("a secret is never printed", () => {
  const { key } = readConfig(
    { key: { env: "KEY", doc: "a key", parse: secret() } },
    { KEY: "hush" },
  );
  equal(key.reveal(), "hush");
  for (const printed of [JSON.stringify({ key }), inspect(key), `${String(key)}`]) {
    ok(!printed.includes("hush"), printed);
  }
});
