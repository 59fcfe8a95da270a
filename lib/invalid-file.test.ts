import { equal, ok, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { z } from "zod";
import { MeshError } from "./errors.js";
import { invalid, problemsOf, reading, shown } from "./invalid-file.js";

test("an invalid file is named, and its message is short", () => {
  const error = invalid("config.json", "x".repeat(5_000));
  equal(error.fault, "invalid");
  ok(error.message.startsWith("config.json: xxx"));
  ok(error.message.length < 1_100);
});

test("what the file system refuses is invalid, without where the file is", () => {
  throws(() => reading("a.json", () => readFileSync("/proc/nothing/here")), {
    fault: "invalid",
    message: "a.json: cannot be read (ENOENT)",
  });
});

test("a bug stays a bug, and a MeshError what it is", () => {
  const bug = new TypeError("no function");
  throws(() => reading("a.json", () => fail(bug)), bug);
  const fault = new MeshError("limited", "later");
  throws(() => reading("a.json", () => fail(fault)), fault);
});

function fail(error: Error): never {
  throw error;
}

test("text out of files is shown on one line, and not all of it", () => {
  equal(shown("plain text"), "plain text");
  equal(shown('two\nlines of "x"'), '"two\\nlines of \\"x\\""');
  equal(shown("x".repeat(300)).length, 201);
});

test("of many problems, the first five are told", () => {
  const { error } = z.array(z.string()).safeParse(Array.from({ length: 9 }, (_, i) => i));
  const text = problemsOf(error as z.ZodError);
  ok(text.startsWith("0: Invalid input: expected string, received number; 1: "), text);
  ok(text.endsWith("; and 4 more"), text);
});
