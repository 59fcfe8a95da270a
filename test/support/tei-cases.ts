import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { packageRoot } from "../../lib/package-root.js";

const file = join(packageRoot, "../shared/compat/tei-cases.jsonl");

/** For the `skip` of tests that need the recorded answers, which stand beside the project. */
export const casesMissing: string | false = existsSync(file)
  ? false
  : "../shared/compat is not there";

/** One request and what text-embeddings-inference 1.9.3 answered. */
export interface TeiCase {
  readonly id: string;
  readonly config: string;
  readonly method: string;
  readonly path: string;
  readonly request_headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly raw_body?: true | "base64";
  readonly body_gen?: string;
  readonly status: number;
  readonly response_headers: Readonly<Record<string, string>>;
  readonly response: unknown;
  readonly response_is_text?: true;
}

export interface TeiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Undefined for an empty body. */
  readonly json: unknown;
}

export function readTeiCases(): readonly TeiCase[] {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as TeiCase);
}

/** Sends exactly the recorded bytes and headers. */
export async function send(url: string, one: TeiCase): Promise<TeiAnswer> {
  const body = bodyOf(one);
  const sent = request(`${url}${one.path}`, { method: one.method, headers: one.request_headers });
  const answered = new Promise<TeiAnswer>((resolve, reject) => {
    sent.once("error", reject);
    sent.once("response", (response) => {
      buffer(response)
        .then((bytes) => ({
          status: response.statusCode ?? 0,
          headers: response.headers,
          json: parse(bytes),
        }))
        .then(resolve, reject);
    });
  });
  sent.setTimeout(30_000, () => sent.destroy(new Error(`${one.id}: no answer`)));
  // Bytes that are written before the end have no length of their own, so they go in chunks where that is wanted.
  if (one.request_headers["transfer-encoding"] === undefined && body !== undefined) {
    sent.setHeader("content-length", body.length);
  }
  sent.end(body);
  return await answered;
}

function bodyOf({ body, raw_body, body_gen, request_headers }: TeiCase): Buffer | undefined {
  if (body_gen !== undefined) {
    const length = Number(/\* (\d+)/.exec(body_gen)?.[1]);
    const truncate = body_gen.includes("truncate false") ? { truncate: false } : {};
    return Buffer.from(JSON.stringify({ inputs: "a".repeat(length), ...truncate }));
  }
  if (raw_body === "base64") return Buffer.from(String(body), "base64");
  if (raw_body === true) return Buffer.from(body === null ? "null" : String(body));
  if (body === null && request_headers["content-type"] === undefined) return undefined;
  return Buffer.from(spaced(body));
}

/** As Python's json.dumps writes it, which the places in messages count on. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) {
    return JSON.stringify(value).replace(
      /[\u0080-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  }
  const fields = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}: ${spaced(item)}`,
  );
  return `{${fields.join(", ")}}`;
}

function parse(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return bytes.toString("utf8");
  }
}
