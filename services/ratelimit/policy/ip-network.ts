import { isIPv4 } from "node:net";
import { parseIpv6 } from "./parse-ipv6.js";

/** Whom an address stands for. */
export interface IpNetwork {
  /** An IPv4 address, or the /64 of an IPv6 address: that is what one customer gets. The same text for every spelling. */
  readonly name: string;
  readonly isLoopback: boolean;
}

/** Undefined for what is no address. An IPv4 caller of an IPv6 socket is still an IPv4 caller. */
export function ipNetworkOf(ip: string): IpNetwork | undefined {
  if (isIPv4(ip)) return ipv4Network(ip);
  const groups = parseIpv6(ip);
  if (groups === undefined) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  // ::ffff:0:0/96
  if ((a | b | c | d | e) === 0 && f === 0xffff) return ipv4Network(dotted(g, h));
  return {
    name: `${a.toString(16)}:${b.toString(16)}:${c.toString(16)}:${d.toString(16)}::/64`,
    isLoopback: (a | b | c | d | e | f | g) === 0 && h === 1,
  };
}

function ipv4Network(ip: string): IpNetwork {
  return { name: ip, isLoopback: ip.startsWith("127.") };
}

function dotted(high: number, low: number): string {
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
