// `buf breaking` holds the contracts to those that were last accepted.

import { equal, match, notEqual } from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../lib/package-root.js";
import { run } from "./support/programs.js";

const buf = join(packageRoot, "node_modules/.bin/buf");
const accepted = "proto/contracts.binpb";
const gateway = "proto/arrowmesh/gateway/v1/gateway.proto";

test("the contracts are those that were accepted", async () => {
  await inCopy(async (folder) => {
    const image = join(folder, "now.binpb");
    const { code, stderr } = await run(buf, ["build", "--exclude-source-info", "-o", image], {
      cwd: folder,
    });
    equal(code, 0, stderr);
    const isSame = readFileSync(image).equals(readFileSync(join(packageRoot, accepted)));
    equal(isSame, true, "npm run generate");
  });
});

const changes: readonly [what: string, from: RegExp, to: string, finding: RegExp | undefined][] = [
  ["a new field", /(message EmbedRequest \{)/, "$1\n  string added = 99;", undefined],
  [
    "a field that is gone",
    /^ {2}bool truncate = \d+;|^ {2}optional bool truncate = \d+;/m,
    "",
    /was deleted without reserving/,
  ],
  [
    "a field of another type",
    /(optional )?bool truncate/,
    "string truncate",
    /changed type|cardinality/,
  ],
  ["a field of another name", /truncate = /, "cut = ", /changed name/],
  [
    "an RPC that is gone",
    /^ {2}rpc EmbedStream\([^;{]+(;|\{[^}]*\})/m,
    "",
    /"EmbedStream".* was deleted/,
  ],
  [
    "a service that is gone",
    /service GatewayService/,
    "service OtherService",
    /"GatewayService".* was deleted/,
  ],
];

for (const [what, from, to, finding] of changes) {
  test(`${what} ${finding === undefined ? "breaks nobody" : "is refused"}`, async () => {
    await inCopy(async (folder) => {
      const path = join(folder, gateway);
      const before = readFileSync(path, "utf8");
      const after = before.replace(from, to);
      notEqual(after, before, "the change has no place in the contract");
      writeFileSync(path, after);
      const { code, stdout } = await run(buf, ["breaking", "--against", accepted], { cwd: folder });
      if (finding === undefined) return equal(code, 0, stdout);
      notEqual(code, 0);
      match(stdout, finding);
    });
  });
}

async function inCopy(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-contracts-"));
  try {
    for (const path of ["proto", "buf.yaml"]) {
      cpSync(join(packageRoot, path), join(folder, path), { recursive: true });
    }
    await act(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
