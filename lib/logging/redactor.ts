/** Takes the secrets of the process out of a text. */
export type Redact = (text: string) => string;

const censor = "[secret]";
/** Shorter values cannot be told from other text. */
const lengthMin = 8;
/** Nor can shorter numbers from other numbers, which a line of JSON has everywhere. */
const digitsMin = 17;

const secretName = /(?:^|_)(?:KEY|TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIALS?)$/;
/** Variables of OpenTelemetry: `name=value,name=value`. */
const headersName = /^OTEL_.*HEADERS$/;
const urlPassword = /\/\/[^:/?#\s]*:([^/?#\s]+)@/g;

/**
 * Knows every secret that came in by the environment: by the names of variables, and passwords inside URLs. It is the
 * last of several: nothing is meant to print a secret, and this keeps out what does so all the same.
 */
export function createRedactor(env: NodeJS.ProcessEnv): Redact {
  const forms = [...new Set(secretsOf(env).flatMap(formsOf))].filter(isTelling);
  // A secret that contains another one goes first.
  forms.sort((a, b) => b.length - a.length);
  if (forms.length === 0) return (text) => text;
  return (text) => {
    let redacted = text;
    for (const form of forms) {
      if (redacted.includes(form)) redacted = redacted.replaceAll(form, censor);
    }
    return redacted;
  };
}

function secretsOf(env: NodeJS.ProcessEnv): string[] {
  return Object.entries(env).flatMap(([name, value = ""]) => {
    const passwords = [...value.matchAll(urlPassword)].map(([, password = ""]) => password);
    if (secretName.test(name)) return [value.trim(), ...passwords];
    return headersName.test(name) ? [...headerValuesOf(value), ...passwords] : passwords;
  });
}

/** `authorization=Bearer KEY` has two: what is sent, and the key alone. */
function headerValuesOf(headers: string): string[] {
  return headers.split(",").flatMap((header) => {
    const value = header.slice(header.indexOf("=") + 1).trim();
    return [value, decoded(value).split(" ").at(-1) ?? ""];
  });
}

/** As it is, and as URLs and JSON write it. */
function formsOf(secret: string): string[] {
  const plain = [secret, decoded(secret)];
  return plain.flatMap((text) => [
    text,
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
  ]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // It is no part of a URL.
    return text;
  }
}

function isTelling(secret: string): boolean {
  return secret.length >= (/^\d+$/.test(secret) ? digitsMin : lengthMin);
}
