import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { ipNetworkOf } from "./ip-network.js";

test("IPv4 callers are counted one by one, IPv6 callers by /64, in whatever spelling", () => {
  const table: [ip: string, name: string][] = [
    ["203.0.113.7", "203.0.113.7"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["::FFFF:cb00:7107", "203.0.113.7"],
    ["0:0:0:0:0:ffff:203.0.113.7", "203.0.113.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["1:2::3:4:5:1.2.3.4", "1:2:0:3::/64"],
    ["::", "0:0:0:0::/64"],
    ["::2:3:4:5:6", "0:0:0:2::/64"],
    ["1::", "1:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::fffe:203.0.113.7", "0:0:0:0::/64"],
  ];
  for (const [ip, name] of table) equal(ipNetworkOf(ip)?.name, name, ip);
});

test("loopback is 127.0.0.0/8 and ::1, and nothing that looks like it", () => {
  const isLoopback = (ip: string) => ipNetworkOf(ip)?.isLoopback === true;
  const loopback = [
    "127.0.0.1",
    "127.255.0.9",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
  ];
  const others = [
    "128.0.0.1",
    "12.7.0.1",
    "::",
    "::2",
    "1::1",
    "::1:0:1",
    "::127.0.0.1",
    "10.0.0.1",
    "fe80::1",
  ];
  deepEqual(
    loopback.filter((ip) => !isLoopback(ip)),
    [],
  );
  deepEqual(others.filter(isLoopback), []);
});

test("what is no address has no network", () => {
  for (const ip of ["", "localhost", "1.2.3", "1.2.3.4:80", "[::1]"])
    equal(ipNetworkOf(ip), undefined);
});
