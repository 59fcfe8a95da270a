import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import type { MeshError } from "../../../lib/errors.js";
import { seeded } from "../../../test/support/random.js";
import {
  boolean,
  list,
  oneOf,
  optional,
  string,
  struct,
  untagged,
  wholeNumber,
} from "./json-shapes.js";
import { readJson, readJsonValue } from "./read-json.js";

const body = struct("Thing", {
  name: string,
  size: optional(wholeNumber),
  isNew: optional(boolean),
  side: optional(oneOf(["left", "right"])),
  tags: optional(list(string)),
  inner: optional(struct("Inner", { text: string })),
  either: optional(
    untagged(
      "Either",
      (content) => (content.kind === "map" ? undefined : content.kind),
      string.schema,
    ),
  ),
});

function read(text: string | Buffer) {
  return readJson(body, Buffer.from(text));
}

function refusalOf(text: string | Buffer): string {
  let message = "";
  throws(
    () => read(text),
    (error: MeshError) => {
      equal(error.fault, error.message.startsWith("Failed to parse") ? "malformed" : "invalid");
      message = error.message.replace(/^Failed to (parse|deserialize) the JSON body.*?: /, "");
      message = message.replace(/^Failed to parse the request body as JSON: /, "");
      return true;
    },
  );
  return message;
}

test("fields are read by name, unknown ones are skipped, null means absent", () => {
  deepEqual(read('{"more": [{"a": [1, null]}], "size": 3, "name": "a", "isNew": null}'), {
    name: "a",
    size: 3,
    isNew: undefined,
  });
  deepEqual(read(' {"name":"","tags":["x","y"],"inner":{"text":"t"},"side":"left"}\n'), {
    name: "",
    tags: ["x", "y"],
    inner: { text: "t" },
    side: "left",
  });
});

// What serde_json 1 says of each, with the column after the last byte that it read.
const refused: readonly (readonly [body: string | Buffer, message: string])[] = [
  ["", "EOF while parsing a value at line 1 column 0"],
  ["hello", "expected value at line 1 column 1"],
  ["nul", "EOF while parsing a value at line 1 column 3"],
  ["nule", "expected ident at line 1 column 4"],
  ["null", "invalid type: null, expected struct Thing at line 1 column 4"],
  ['"a"', 'invalid type: string "a", expected struct Thing at line 1 column 3'],
  ["[]", "invalid type: sequence, expected struct Thing at line 1 column 0"],
  ["{", "EOF while parsing an object at line 1 column 1"],
  ["{}", "missing field `name` at line 1 column 2"],
  ["{'name'", "key must be a string at line 1 column 2"],
  ['{"name"', "name: EOF while parsing an object at line 1 column 7"],
  ['{"name" "a"}', "name: expected `:` at line 1 column 9"],
  ['{"name":', "name: EOF while parsing a value at line 1 column 8"],
  ['{"name": "a",}', "trailing comma at line 1 column 14"],
  ['{"name": "a" "size"}', "expected `,` or `}` at line 1 column 14"],
  ['{"name": "a"} {', "trailing characters at line 1 column 15"],
  ['{"name": "a", "name": "b"}', "duplicate field `name` at line 1 column 20"],
  ['{"name": 1}', "name: invalid type: integer `1`, expected a string at line 1 column 10"],
  ['{"name": {"a": 1}}', "name: invalid type: map, expected a string at line 1 column 9"],
  ['{"size": -1}', "size: invalid value: integer `-1`, expected usize at line 1 column 11"],
  ['{"size": 2.0}', "size: invalid type: floating point `2.0`, expected usize at line 1 column 12"],
  ['{"size": -0}', "size: invalid type: floating point `-0.0`, expected usize at line 1 column 11"],
  ['{"size": 1e400}', "size: number out of range at line 1 column 14"],
  ['{"size": 01}', "size: invalid number at line 1 column 11"],
  ['{"size": 1.}', "size: invalid number at line 1 column 12"],
  ['{"size": -}', "size: invalid number at line 1 column 11"],
  ['{"size": NaN}', "size: expected value at line 1 column 10"],
  ['{"isNew": 0}', "isNew: invalid type: integer `0`, expected a boolean at line 1 column 11"],
  [
    '{"side": "up"}',
    "side: unknown variant `up`, expected one of `left`, `right` at line 1 column 13",
  ],
  ['{"side": 1}', "side: expected value at line 1 column 10"],
  ['{"tags": "a"}', 'tags: invalid type: string "a", expected a sequence at line 1 column 12'],
  [
    '{"tags": ["a", true]}',
    "tags[1]: invalid type: boolean `true`, expected a string at line 1 column 19",
  ],
  ['{"tags": ["a",]}', "tags: trailing comma at line 1 column 15"],
  ['{"tags": ["a" "b"]}', "tags: expected `,` or `]` at line 1 column 15"],
  ['{"tags": [', "tags: EOF while parsing a list at line 1 column 10"],
  ['{"inner": {}}', "inner: missing field `text` at line 1 column 12"],
  [
    '{"inner": {"text": 1}}',
    "inner.text: invalid type: integer `1`, expected a string at line 1 column 20",
  ],
  [
    '{"either": {"a": 1}, "b"',
    "either: data did not match any variant of untagged enum Either at line 1 column 19",
  ],
  [
    '{"either": {}}',
    "either: data did not match any variant of untagged enum Either at line 1 column 14",
  ],
  [
    '{"name": "a\tb"}',
    "name: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 12",
  ],
  ['{"name": "a', "name: EOF while parsing a string at line 1 column 11"],
  ['{"name": "\\x"}', "name: invalid escape at line 1 column 12"],
  ['{"name": "\\u12g4"}', "name: invalid escape at line 1 column 16"],
  ['{"name": "\\ud800"}', "name: unexpected end of hex escape at line 1 column 17"],
  ['{"name": "\\udc00"}', "name: lone leading surrogate in hex escape at line 1 column 16"],
  ['{"name": "\\ud800\\u0041"}', "name: lone leading surrogate in hex escape at line 1 column 22"],
  [Buffer.from([0x22, 0xff, 0x22]), "invalid unicode code point at line 1 column 3"],
  ['{\n"name":\n 1}', "name: invalid type: integer `1`, expected a string at line 3 column 2"],
  [
    '{"naïve": 1, "name": 2}',
    "name: invalid type: integer `2`, expected a string at line 1 column 23",
  ],
];

for (const [text, message] of refused) {
  test(`${JSON.stringify(text.toString())} is refused: ${message}`, () => {
    equal(refusalOf(text), message);
  });
}

test("a value inside a body is refused without a place", () => {
  throws(() => readJsonValue(body, Buffer.from('{"size": "a"}')), {
    fault: "invalid",
    message: 'invalid type: string "a", expected usize',
  });
});

test("deep nesting takes no stack where it is skipped, and is refused where it is read", () => {
  const depth = 500_000;
  const deep = `${"[".repeat(depth)}${"]".repeat(depth)}`;
  equal(read(`{"more": ${deep}, "name": "a"}`).name, "a");
  equal(
    refusalOf(`{"either": ${deep}}`).replace(/^(either)?(\[0\])+/, ""),
    ": recursion limit exceeded at line 1 column 138",
  );
});

test("any JSON is read as JSON.parse reads it", (t) => {
  const random = seeded(t);
  const shape = struct("Any", { value: untagged("Value", (content) => content, string.schema) });
  const word = (): string =>
    Array.from({ length: random.int(6) }, () =>
      String.fromCodePoint([65, 0x22, 0x5c, 0x0a, 0xe9, 0x6771, 0x1f600][random.int(7)] ?? 65),
    ).join("");
  const value = (depth: number): unknown => {
    const kind = random.int(depth > 4 ? 5 : 7);
    if (kind === 0) return null;
    if (kind === 1) return random.int(2) === 1;
    if (kind === 2) return random.int(2 ** 31) - 2 ** 30;
    if (kind === 3) return (random.int(2 ** 31) - 2 ** 30) / 1e5;
    if (kind === 4) return word();
    return Array.from({ length: random.int(4) }, () => value(depth + 1));
  };
  type Read = { kind: string; value?: unknown; items?: readonly Read[] };
  const plain = ({ kind, value: given, items }: Read): unknown =>
    kind === "null" ? null : items === undefined ? given : items.map(plain);
  for (let round = 0; round < 2_000; round += 1) {
    const wanted = value(0);
    const spaces = random.int(2) === 1 ? 2 : undefined;
    const text = JSON.stringify({ skipped: value(0), value: wanted }, undefined, spaces);
    deepEqual(plain(readJson(shape, Buffer.from(text)).value as Read), wanted);
  }
});

test("any bytes are read, or refused as the caller's mistake", (t) => {
  const random = seeded(t);
  const start = Buffer.from('{"name":"a\\u00e9é","tags":["x"],"size":12,"either":[1.5e3,null]}');
  for (let round = 0; round < 5_000; round += 1) {
    const bytes = Buffer.from(start);
    for (let change = random.int(4); change >= 0; change -= 1) {
      bytes[random.int(bytes.length)] = random.int(256);
    }
    const cut = bytes.subarray(0, random.int(bytes.length + 1));
    for (const given of [bytes, cut]) {
      try {
        readJson(body, given);
      } catch (error) {
        equal((error as Error).name, "MeshError", given.toString("latin1"));
      }
    }
  }
});
