import { stdSerializers } from "pino";

const censor = "[secret]";
/** What lies deeper is left out. */
const depthMax = 5;

/** Fields of a log line without what their names say is secret. Most lines are flat and come back as they are. */
export function censorFields(
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  for (const name in fields) {
    const value = fields[name];
    if (secretNames.has(name) || (typeof value === "object" && value !== null)) {
      return censorEach(fields, 1);
    }
  }
  return fields;
}

/** Headers and settings that must never be printed, should one reach a log line. */
const secretNames: ReadonlySet<string> = new Set(
  [
    ...["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"],
    ...["api_key", "apikey", "access_token", "token", "password", "secret"],
  ].flatMap((name) => [name, name.toUpperCase(), capitalized(name)]),
);

function censorEach(fields: Readonly<Record<string, unknown>>, depth: number) {
  const censored: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    censored[name] = secretNames.has(name) ? censor : censorValue(value, depth);
  }
  return censored;
}

function censorValue(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth === depthMax) return "[deep]";
  if (Array.isArray(value)) return value.map((each) => censorValue(each, depth + 1));
  // Errors keep their message and stack where JSON does not see them.
  if (value instanceof Error) return censorEach({ ...stdSerializers.err(value) }, depth + 1);
  if ("toJSON" in value) return value;
  return censorEach({ ...value }, depth + 1);
}

/** Apikey, Access-Token: the ways in which headers are written. */
function capitalized(name: string): string {
  return name.replaceAll(/(?<=^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
