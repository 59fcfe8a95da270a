import { equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { promptNameOf } from "./input-type.js";

test("what a text is for is the prompt of that name, or of another name for the same", () => {
  equal(promptNameOf("query", ["passage", "query"]), "query");
  equal(promptNameOf("search_query", ["passage", "query"]), "query");
  equal(promptNameOf("document", ["query", "passage"]), "passage");
  equal(promptNameOf("s2p_query", ["s2p_query"]), "s2p_query");
});

test("a model without such a prompt gets none", () => {
  equal(promptNameOf(undefined, ["query"]), undefined);
  equal(promptNameOf("search_document", ["query"]), undefined);
  equal(promptNameOf("clustering", []), undefined);
});

test("an unknown word is refused by name", () => {
  throws(() => promptNameOf("poem", ["query"]), /`input_type` must be one of `search_query`/);
});
