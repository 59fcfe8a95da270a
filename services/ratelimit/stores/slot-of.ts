/** The slot of a Redis Cluster that holds a key: CRC-16/XMODEM of its hash tag, or of all of it, modulo 16384. */
export function slotOf(key: string): number {
  const bytes = Buffer.from(tagOf(key));
  let crc = 0;
  for (const byte of bytes) crc = ((crc << 8) & 0xffff) ^ (table[(crc >> 8) ^ byte] ?? 0);
  return crc % 16_384;
}

/** What stands between the first brace and the next closing one, unless that is nothing. */
function tagOf(key: string): string {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});
