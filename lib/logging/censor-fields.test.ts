import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../config.js";
import { createLog } from "../log.js";
import { censorFields } from "./censor-fields.js";

test("a flat line without secrets is passed on as it is", () => {
  const fields = { request_id: "a", status: "ok", tokens: 4, trace_id: undefined };
  equal(censorFields(fields), fields);
});

test("what its name says is secret is censored, at any depth", () => {
  deepEqual(
    censorFields({
      token: "t",
      headers: { Authorization: "Bearer k", "X-Api-Key": "k", accept: "*/*" },
      list: [{ password: "p", port: 1 }],
    }),
    {
      token: "[secret]",
      headers: { Authorization: "[secret]", "X-Api-Key": "[secret]", accept: "*/*" },
      list: [{ password: "[secret]", port: 1 }],
    },
  );
});

test("a value without an end is cut", () => {
  const circle: Record<string, unknown> = { name: "a" };
  circle.self = circle;
  match(JSON.stringify(censorFields({ circle })), /"\[deep\]"/);
});

test("an error keeps its message and stack", () => {
  const { error } = censorFields({ error: new TypeError("why") }) as {
    error: Record<string, string>;
  };
  equal(error.message, "why");
  match(error.stack ?? "", /censor-fields/);
});

test("a setting that is a secret hides itself", () => {
  const lines: string[] = [];
  const log = createLog("info", { write: (line) => lines.push(line) });
  log.info({ config: { apiKey: new Secret("hush"), port: 1 }, cookie: "a=b" }, "read");
  const { time, ...rest } = JSON.parse(lines[0] ?? "");
  ok(!Number.isNaN(Date.parse(time)));
  deepEqual(rest, {
    level: "info",
    config: { apiKey: "[secret]", port: 1 },
    cookie: "[secret]",
    message: "read",
  });
});
