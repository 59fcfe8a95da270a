import { isIP } from "node:net";
import { assert } from "../../lib/assert.js";

/** Whom an address stands for. */
export interface IpNetwork {
  /** An IPv4 address, or the /64 of an IPv6 address: that is what one customer gets. The same text for every spelling. */
  readonly name: string;
  readonly isLoopback: boolean;
}

/** The address must be one for `isIP`. An IPv4 caller of an IPv6 socket is still an IPv4 caller. */
export function ipNetworkOf(ip: string): IpNetwork {
  const version = isIP(ip);
  assert(version !== 0, "not an IP address");
  if (version === 4) return ipv4Network(ip);
  const groups = groupsOf(ip);
  if (isMapped(groups)) return ipv4Network(dotted(groups.slice(6)));
  return {
    name: `${groups.slice(0, 4).map(hexadecimal).join(":")}::/64`,
    isLoopback: groups.slice(0, 7).every((group) => group === 0) && groups[7] === 1,
  };
}

function ipv4Network(ip: string): IpNetwork {
  return { name: ip, isLoopback: ip.startsWith("127.") };
}

/** The eight groups of an IPv6 address, its `::`, dotted tail and zone resolved. */
function groupsOf(ip: string): readonly number[] {
  const [address = ""] = ip.split("%");
  const [head = "", tail] = address.replace(/[\d.]+\.[\d.]+$/, undotted).split("::");
  const left = parseGroups(head);
  if (tail === undefined) return left;
  const right = parseGroups(tail);
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function parseGroups(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

/** `1.2.3.4` as `102:304`. */
function undotted(ip: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ip.split(".").map(Number);
  return `${hexadecimal(a * 256 + b)}:${hexadecimal(c * 256 + d)}`;
}

function dotted(groups: readonly number[]): string {
  return groups.flatMap((group) => [group >> 8, group & 255]).join(".");
}

/** ::ffff:0:0/96 */
function isMapped(groups: readonly number[]): boolean {
  return groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
}

function hexadecimal(group: number): string {
  return group.toString(16);
}
