import { deepEqual, equal } from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { parseIpv6 } from "./parse-ipv6.js";

test("groups are those of the address, its gap and dotted tail written out", () => {
  const table: [text: string, groups: string][] = [
    ["::", "0 0 0 0 0 0 0 0"],
    ["1::", "1 0 0 0 0 0 0 0"],
    ["::1", "0 0 0 0 0 0 0 1"],
    ["1:2:3:4:5:6:7:8", "1 2 3 4 5 6 7 8"],
    ["1:2:3::7:8", "1 2 3 0 0 0 7 8"],
    ["1:2:3:4:5:6:7::", "1 2 3 4 5 6 7 0"],
    ["::2:3:4:5:6:7:8", "0 2 3 4 5 6 7 8"],
    ["ABCD::ffff", "abcd 0 0 0 0 0 0 ffff"],
    ["::1.2.3.4", "0 0 0 0 0 0 102 304"],
    ["1:2:3:4:5:6:1.2.3.4", "1 2 3 4 5 6 102 304"],
    ["fe80::1%eth0.1", "fe80 0 0 0 0 0 0 1"],
  ];
  for (const [text, groups] of table) {
    equal(
      parseIpv6(text)
        ?.map((group) => group.toString(16))
        .join(" "),
      groups,
      text,
    );
  }
});

test("what is an address is what Node takes for one", (t) => {
  const { int, pick } = seeded(t);
  const pieces = [
    ":",
    "::",
    "1",
    "ab",
    "FFFF",
    "12345",
    "0",
    "g",
    "1.2.3.4",
    "1.2.3",
    ".",
    "%",
    "%a",
    " ",
    "",
  ];
  const differing: string[] = [];
  let addresses = 0;
  for (let round = 0; round < 100_000; round += 1) {
    const hasColons = int(2) === 0;
    const parts = Array.from({ length: 1 + int(9) }, () => pick(pieces));
    const text = parts.join(hasColons ? ":" : "");
    if (isIPv6(text)) addresses += 1;
    if (isIPv6(text) !== (parseIpv6(text) !== undefined)) differing.push(text);
  }
  t.diagnostic(`${addresses} addresses`);
  equal(addresses > 100, true);
  deepEqual(differing, []);
});
