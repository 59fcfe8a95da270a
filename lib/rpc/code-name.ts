import { Code } from "@connectrpc/connect";
import { answerOf, type MeshError } from "../errors.js";

/** The status of a call as gRPC writes it: OK, INVALID_ARGUMENT. */
export function codeNameOf(error: MeshError | undefined): string {
  return error === undefined ? "OK" : (codeNames[answerOf[error.fault].code] ?? "UNKNOWN");
}

const codeNames: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(Code)
    .filter((entry): entry is [string, Code] => typeof entry[1] === "number")
    .map(([name, code]) => [code, nameOf(name)]),
);

function nameOf(code: string): string {
  if (code === "Canceled") return "CANCELLED";
  return code.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
