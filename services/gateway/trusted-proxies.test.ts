import { equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../../lib/config.js";
import { createClientIpOf, networks } from "./trusted-proxies.js";

const proxies = createClientIpOf(["10.0.0.0/8", "127.0.0.1", "fd00::/8"]);
const seenBehind = (peer: string, header?: string) => proxies(peer, () => header);

test("without trusted proxies the header counts for nothing", () => {
  const clientIpOf = createClientIpOf([]);
  equal(
    clientIpOf("10.0.0.1", () => "203.0.113.7"),
    "10.0.0.1",
  );
});

test("a caller that is no trusted proxy names nobody", () => {
  equal(seenBehind("198.51.100.1", "203.0.113.7"), "198.51.100.1");
  equal(seenBehind("::2", "203.0.113.7"), "::2");
});

test("a trusted proxy names its caller, and what that caller wrote itself is not believed", () => {
  const table: [peer: string, header: string | undefined, client: string][] = [
    ["10.0.0.1", "203.0.113.7", "203.0.113.7"],
    ["::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"],
    ["fd00::1", "2001:db8::7", "2001:db8::7"],
    ["10.0.0.1", "127.0.0.1, 203.0.113.7", "203.0.113.7"],
    ["10.0.0.1", "10.9.9.9,203.0.113.7 , 10.0.0.2", "203.0.113.7"],
    ["10.0.0.1", "198.51.100.1, 203.0.113.7, 10.0.0.3, 10.0.0.2", "203.0.113.7"],
    ["127.0.0.1", "203.0.113.7:4711", "203.0.113.7"],
    ["127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"],
    ["127.0.0.1", "[2001:db8::7]", "2001:db8::7"],
    // All of the way is trusted: the first of it is the caller.
    ["10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    // Nobody is named.
    ["10.0.0.1", undefined, "10.0.0.1"],
    ["10.0.0.1", "", "10.0.0.1"],
    ["10.0.0.1", "unknown", "10.0.0.1"],
    ["10.0.0.1", "203.0.113.7, unknown", "10.0.0.1"],
    ["10.0.0.1", "203.0.113.7, fe80::1%eth0", "10.0.0.1"],
    ["10.0.0.1", "203.0.113.7, 1.2.3", "10.0.0.1"],
  ];
  for (const [peer, header, client] of table) equal(seenBehind(peer, header), client, header);
});

test("a row of trusted addresses is believed to a bound", () => {
  const header = ["203.0.113.7", ...Array(1_000).fill("10.0.0.2")].join(",");
  equal(seenBehind("10.0.0.1", header), "10.0.0.2");
});

test("a setting that names no networks is refused", () => {
  const schema = {
    proxies: { env: "P", doc: "", parse: networks(), fallback: [] as readonly string[] },
  };
  const read = (P: string) => readConfig(schema, { P }).proxies.join(" ");
  equal(
    read("10.0.0.0/8, ::1,fd00::/8,192.0.2.1/32,::/0"),
    "10.0.0.0/8 ::1 fd00::/8 192.0.2.1/32 ::/0",
  );
  for (const wrong of ["10.0.0.0/33", "::/129", "proxy", "10.0.0", "10.0.0.0/", "10.0.0.0/8/8"]) {
    throws(() => read(wrong), /P: expected addresses/, wrong);
  }
});
