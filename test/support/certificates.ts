import { equal } from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./programs.js";

/** A certificate and its key, as files and as bytes. */
export interface Certified {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** An authority that openssl makes in a folder of its own, and what it signs. */
export interface TestAuthority extends Certified {
  sign(name: string): Promise<Certified>;
  remove(): void;
}

/** Certificates of this machine, good for a day. */
export async function makeAuthority(): Promise<TestAuthority> {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-certificates-"));
  const make = async (name: string, more: readonly string[]): Promise<Certified> => {
    const certFile = join(folder, `${name}.pem`);
    const keyFile = join(folder, `${name}.key`);
    const subject = ["-subj", `/CN=${name}`, "-days", "1", "-keyout", keyFile, "-out", certFile];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const made = await run("openssl", ["req", "-x509", ...curve, ...subject, ...more]);
    equal(made.code, 0, made.stderr);
    return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) };
  };
  const authority = await make("authority", []);
  const { certFile, keyFile } = authority;
  const names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
  const signed = ["-CA", certFile, "-CAkey", keyFile, ...names];
  return {
    ...authority,
    sign: (name) => make(name, ["-addext", "basicConstraints=critical,CA:FALSE", ...signed]),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
