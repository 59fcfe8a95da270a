import type { StatusJson } from "./status-json.js";
import { beginTrace } from "./trace-parent.js";

/** Why there is no status, in words for people. */
export class NoStatus extends Error {
  /** The gateway answers, and wants a key or another one. */
  readonly isKeyNeeded: boolean;

  constructor(message: string, isKeyNeeded = false) {
    super(message);
    this.isKeyNeeded = isKeyNeeded;
  }
}

/** How long the gateway may take; it asks its peers for a second at most. */
const answerMsMax = 5_000;

/** Asks for the status once. Its trace begins here, and is kept only if something goes wrong. */
export async function askStatus(key: string | undefined): Promise<StatusJson> {
  const answer = await fetch("/status", {
    headers: headersOf(key, beginTrace(false).header),
    cache: "no-store",
    signal: AbortSignal.timeout(answerMsMax),
  }).catch(() => {
    throw new NoStatus("The gateway does not answer");
  });
  if (answer.status === 401) throw new NoStatus("The gateway wants another key", true);
  if (!answer.ok) throw new NoStatus(`The gateway answers ${await problemOf(answer)}`);
  try {
    // What the contract says.
    return (await answer.json()) as StatusJson;
  } catch {
    throw new NoStatus("The gateway broke off its answer");
  }
}

export function headersOf(key: string | undefined, traceParent: string): Record<string, string> {
  return {
    accept: "application/json",
    traceparent: traceParent,
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
  };
}

/** Status and words of an answer that is none. */
export async function problemOf(answer: Response): Promise<string> {
  // Whatever it is; only the words of the gateway's own errors are shown.
  const body = (await answer.json().catch(() => undefined)) as { readonly error?: unknown };
  const words = typeof body?.error === "string" ? `: ${body.error}` : "";
  return `${answer.status}${words}`;
}
