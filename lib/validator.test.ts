import { equal, notEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import { entityTagOf, hasEntity } from "./validator.js";

const tag = entityTagOf("body");
const strong = tag.slice("W/".length);

test("the validator of an answer depends on its bytes and on nothing else", () => {
  equal(entityTagOf(Buffer.from("body")), tag);
  notEqual(entityTagOf("bodies"), tag);
});

describe("a caller has the answer already", () => {
  const cases: readonly (readonly [ifNoneMatch: string | undefined, has: boolean])[] = [
    [undefined, false],
    ["", false],
    [tag, true],
    [strong, true],
    [`"other", ${tag}`, true],
    [`"other" , ${strong} ,"third"`, true],
    ['"other"', false],
    [strong.slice(1, -1), false],
    ["*", true],
    [" * ", true],
  ];
  for (const [ifNoneMatch, has] of cases) {
    test(`by If-None-Match: ${ifNoneMatch} - ${has}`, () =>
      equal(hasEntity(ifNoneMatch, tag), has));
  }
});
