import { isIPv4 } from "node:net";

const groupCount = 8;
const zonePattern = /^[0-9A-Za-z.:-]+$/;

/**
 * The eight groups of an IPv6 address, or undefined for what is none: the same texts as for `isIPv6`, which runs a
 * regular expression of 1,000 characters and then leaves the groups to be found.
 */
export function parseIpv6(text: string): readonly number[] | undefined {
  const zoneAt = text.indexOf("%");
  if (zoneAt !== -1 && !zonePattern.test(text.slice(zoneAt + 1))) return undefined;
  const address = zoneAt === -1 ? text : text.slice(0, zoneAt);
  const gapAt = address.indexOf("::");
  if (gapAt === -1) {
    const groups = readGroups(address, { mayEndDotted: true });
    return groups?.length === groupCount ? groups : undefined;
  }
  const left = readGroups(address.slice(0, gapAt), { mayEndDotted: false });
  const right = readGroups(address.slice(gapAt + 2), { mayEndDotted: true });
  if (left === undefined || right === undefined) return undefined;
  const missing = groupCount - left.length - right.length;
  // A gap stands for at least one group.
  return missing < 1 ? undefined : [...left, ...Array<number>(missing).fill(0), ...right];
}

function readGroups(
  text: string,
  { mayEndDotted }: { readonly mayEndDotted: boolean },
): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (let index = 0; index < parts.length; index += 1) {
    const part = parts[index] ?? "";
    if (mayEndDotted && part.includes(".") && index === parts.length - 1 && isIPv4(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number);
      groups.push(a * 256 + b, c * 256 + d);
    } else {
      const group = readGroup(part);
      if (group === undefined) return undefined;
      groups.push(group);
    }
  }
  return groups;
}

function readGroup(text: string): number | undefined {
  if (text.length < 1 || text.length > 4) return undefined;
  let group = 0;
  for (let index = 0; index < text.length; index += 1) {
    const digit = hexadecimalDigit(text.charCodeAt(index));
    if (digit === undefined) return undefined;
    group = group * 16 + digit;
  }
  return group;
}

function hexadecimalDigit(code: number): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined;
}
