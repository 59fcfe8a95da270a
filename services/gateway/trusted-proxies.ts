import { BlockList, isIP } from "node:net";
import { LRUCache } from "lru-cache";
import { list } from "../../lib/config.js";

/** Proxies in a row that are believed. */
const proxiesMax = 32;
/** Addresses whose trust is remembered: looking one up costs microseconds, and proxies are few. */
const rememberedMax = 4_096;

/** The address of a caller; `forwardedFor` reads the header X-Forwarded-For and is asked only where it may count. */
export type ClientIpOf = (
  peer: string | undefined,
  forwardedFor: () => string | undefined,
) => string | undefined;

/**
 * Callers behind these networks are named by X-Forwarded-For: its last address that is no trusted proxy. Anyone can
 * write the ones before that. What anybody else sends in the header counts for nothing.
 */
export function createClientIpOf(networks: readonly string[]): ClientIpOf {
  if (networks.length === 0) return (peer) => peer;
  const isTrusted = createTrust(networks);
  return (peer, forwardedFor) => {
    if (peer === undefined || !isTrusted(peer)) return peer;
    const hops = (forwardedFor() ?? "").split(",").slice(-proxiesMax).map(readAddress).reverse();
    let client = peer;
    for (const hop of hops) {
      // A proxy that does not name whom it speaks for is itself the caller.
      if (hop === undefined) return client;
      if (!isTrusted(hop)) return hop;
      client = hop;
    }
    return client;
  };
}

/** A setting of networks: addresses, alone or with the length of a prefix. */
export function networks() {
  return list().refine(
    (items) => items.every((item) => readNetwork(item) !== undefined),
    "expected addresses and networks such as 10.0.0.0/8,fd00::/8,127.0.0.1",
  );
}

function createTrust(networks: readonly string[]): (ip: string) => boolean {
  const trusted = new BlockList();
  for (const network of networks.map(readNetwork)) {
    if (network !== undefined) trusted.addSubnet(network.ip, network.prefix, familyOf(network.ip));
  }
  const remembered = new LRUCache<string, boolean>({ max: rememberedMax });
  return (ip) => {
    const known = remembered.get(ip);
    if (known !== undefined) return known;
    const isTrusted = isIP(ip) !== 0 && trusted.check(ip, familyOf(ip));
    remembered.set(ip, isTrusted);
    return isTrusted;
  };
}

function readNetwork(text: string): { readonly ip: string; readonly prefix: number } | undefined {
  const { ip = "", prefix } = /^(?<ip>[^/%]+)(?:\/(?<prefix>\d{1,3}))?$/.exec(text)?.groups ?? {};
  const bitsMax = { 0: -1, 4: 32, 6: 128 }[isIP(ip)] ?? -1;
  const bits = Number(prefix ?? bitsMax);
  return bitsMax < 0 || bits > bitsMax ? undefined : { ip, prefix: bits };
}

/** One entry of the header. Some proxies add the port, and IPv6 addresses may stand in brackets. */
function readAddress(entry: string): string | undefined {
  const text = entry.trim();
  const { v4, v6 } = /^(?:(?<v4>[\d.]+):\d+|\[(?<v6>[^\]]*)\](?::\d+)?)$/.exec(text)?.groups ?? {};
  const ip = v4 ?? v6 ?? text;
  return isIP(ip) === 0 || ip.includes("%") ? undefined : ip;
}

function familyOf(ip: string): "ipv4" | "ipv6" {
  return isIP(ip) === 4 ? "ipv4" : "ipv6";
}
