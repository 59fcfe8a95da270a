import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { ConfigError } from "../../lib/config.js";
import type { Secured } from "../../lib/one-port.js";
import type { GatewayConfig } from "./config.js";

type TlsConfig = Pick<GatewayConfig, "tlsCertFile" | "tlsKeyFile" | "tlsClientCaFile">;

/** The certificate of the public port, read and tried out at the start; undefined where it speaks cleartext. */
export function readTls(config: TlsConfig): Secured | undefined {
  const { tlsCertFile, tlsKeyFile, tlsClientCaFile } = config;
  if (tlsCertFile === undefined && tlsKeyFile === undefined) {
    if (tlsClientCaFile === undefined) return undefined;
    throw new ConfigError(["TLS_CLIENT_CA_FILE needs TLS_CERT_FILE and TLS_KEY_FILE"]);
  }
  if (tlsCertFile === undefined) throw new ConfigError(["TLS_KEY_FILE needs TLS_CERT_FILE"]);
  if (tlsKeyFile === undefined) throw new ConfigError(["TLS_CERT_FILE needs TLS_KEY_FILE"]);
  const cert = read("TLS_CERT_FILE", tlsCertFile);
  const key = read("TLS_KEY_FILE", tlsKeyFile);
  checkCertificates("TLS_CERT_FILE", tlsCertFile, cert);
  attempt(`TLS_KEY_FILE: ${tlsKeyFile} is not a private key in PEM`, () =>
    createSecureContext({ key }),
  );
  attempt(`TLS_KEY_FILE: ${tlsKeyFile} is not the key of the certificate in ${tlsCertFile}`, () =>
    createSecureContext({ cert, key }),
  );
  if (tlsClientCaFile === undefined) return { cert, key };
  const clientCa = read("TLS_CLIENT_CA_FILE", tlsClientCaFile);
  checkCertificates("TLS_CLIENT_CA_FILE", tlsClientCaFile, clientCa);
  return { cert, key, clientCa };
}

function read(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (thrown) {
    const reason = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unreadable";
    throw new ConfigError([`${name}: cannot read ${file} (${reason})`]);
  }
}

/** OpenSSL skips what it cannot read in a list of authorities, and then trusts nobody without saying so. */
function checkCertificates(name: string, file: string, pem: Buffer): void {
  const blocks = pem.toString("latin1").match(certificateBlock) ?? [];
  if (blocks.length === 0) throw new ConfigError([`${name}: ${file} has no certificate in PEM`]);
  for (const block of blocks) {
    attempt(
      `${name}: ${file} has a certificate that cannot be read`,
      () => new X509Certificate(block),
    );
  }
}

const certificateBlock =
  /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g;

/** OpenSSL's own reasons name its routines, which help nobody to find the file. */
function attempt(problem: string, act: () => unknown): void {
  try {
    act();
  } catch {
    throw new ConfigError([problem]);
  }
}
