import { deepEqual, equal, rejects } from "node:assert/strict";
import { describe, test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { acceptedCoding, decompress } from "./compression.js";

describe("what a caller takes", () => {
  const cases: readonly (readonly [header: string | undefined, coding: string | undefined])[] = [
    [undefined, undefined],
    ["", undefined],
    ["identity", undefined],
    ["deflate, zstd", undefined],
    ["gzip", "gzip"],
    ["GZIP", "gzip"],
    ["br", "br"],
    ["gzip, deflate, br, zstd", "br"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["br;q=0, gzip", "gzip"],
    ["gzip;q=0", undefined],
    ["gzip ; q=0.000", undefined],
    ["*", "br"],
    ["*;q=0", undefined],
    ["*, br;q=0", "gzip"],
    ["identity, gzip;q=0.5", undefined],
    ["identity;q=0.5, gzip", "gzip"],
    ["gzip;q=nonsense", undefined],
    ["gzipped", undefined],
  ];
  for (const [header, coding] of cases) {
    test(`${JSON.stringify(header)}: ${coding ?? "the bytes themselves"}`, () => {
      equal(acceptedCoding(header), coding);
    });
  }
});

describe("a compressed body", () => {
  const bytes = Buffer.from("text ".repeat(100));
  const packers = {
    gzip: gzipSync,
    "x-gzip": gzipSync,
    br: brotliCompressSync,
    deflate: deflateSync,
    identity: (given: Buffer) => given,
  };
  for (const [coding, pack] of Object.entries(packers)) {
    test(`is read: ${coding}`, async () => {
      deepEqual(Buffer.from(await decompress(coding, pack(bytes), bytes.length)), bytes);
    });
  }

  test("may be as long as the bound and no longer", async () => {
    const refused = decompress("gzip", gzipSync(bytes), bytes.length - 1);
    await rejects(refused, { fault: "too_large", message: "the body unpacks to over 499 bytes" });
  });

  test("is refused when it is cut, is something else, or is packed in a way we do not know", async () => {
    const cut = gzipSync(bytes).subarray(0, 20);
    await rejects(decompress("gzip", cut, 1_000), { fault: "malformed" });
    await rejects(decompress("br", bytes, 1_000), { fault: "malformed" });
    for (const coding of ["zstd", "constructor", "gzip, gzip"]) {
      await rejects(decompress(coding, bytes, 1_000), { fault: "unsupported_media_type" });
    }
  });
});
