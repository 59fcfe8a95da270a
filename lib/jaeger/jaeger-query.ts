import type { Clock } from "../clock.js";
import { MeshError } from "../errors.js";
import { readTraces } from "./read-traces.js";
import type { TraceSpan } from "./trace-span.js";

export interface JaegerQueryOptions {
  /** Address of Jaeger's query service, with the path it is served below, and perhaps a user and a password. */
  readonly url: URL;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** What to look for; Jaeger finds traces that have a span of the service. */
export interface TraceSearch {
  readonly service: string;
  readonly operation?: string;
  readonly tracesMax: number;
}

/** An answer that is larger is no trace that a person reads. */
const answerBytesMax = 64 * 1024 * 1024;

/** Jaeger's HTTP query API, as its own pages use it. Everything that fails is a MeshError that names its address. */
export class JaegerQuery {
  readonly #base: string;
  readonly #headers: Headers;
  readonly #options: JaegerQueryOptions;

  constructor(options: JaegerQueryOptions) {
    const { origin, pathname, username, password } = options.url;
    this.#base = `${origin}${pathname.replace(/\/+$/, "")}`;
    this.#headers = new Headers({ accept: "application/json" });
    if (username !== "" || password !== "") {
      const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
      this.#headers.set("authorization", `Basic ${Buffer.from(credentials).toString("base64")}`);
    }
    this.#options = options;
  }

  /** The spans of a trace, or undefined where Jaeger has none of it. */
  async trace(traceId: string): Promise<TraceSpan[] | undefined> {
    const answer = await this.#get(`/api/traces/${traceId}`);
    if (answer === undefined) return undefined;
    const [spans = []] = this.#toTraces(answer);
    return spans.length === 0 ? undefined : spans;
  }

  /** The latest traces that fit. */
  async traces({ service, operation, tracesMax }: TraceSearch): Promise<TraceSpan[][]> {
    const query = new URLSearchParams({ service, limit: String(tracesMax), lookback: "1h" });
    if (operation !== undefined) query.set("operation", operation);
    return this.#toTraces(await this.#get(`/api/traces?${query}`));
  }

  /** Names of all services that sent spans. */
  async services(): Promise<string[]> {
    // Jaeger answers null for none.
    const { data } = ((await this.#get("/api/services")) ?? {}) as { data?: string[] | null };
    return data ?? [];
  }

  #toTraces(answer: unknown): TraceSpan[][] {
    const traces = readTraces(answer);
    if (traces === undefined) throw this.#unexpected("answers with something that is no trace");
    return traces;
  }

  /** The JSON of an answer, or undefined for 404 of Jaeger itself. */
  async #get(path: string): Promise<unknown> {
    const { clock, timeoutMs } = this.#options;
    const late = new AbortController();
    const stop = clock.at(clock.nowMs() + timeoutMs, () => late.abort());
    try {
      const response = await fetch(`${this.#base}${path}`, {
        headers: this.#headers,
        signal: late.signal,
      });
      const json = toJson(await this.#read(response));
      if (response.status === 404 && hasErrors(json)) return undefined;
      if (!response.ok) throw this.#unexpected(`answers ${response.status}`);
      if (json === undefined) throw this.#unexpected("answers with something that is not JSON");
      return json;
    } catch (error) {
      if (error instanceof MeshError) throw error;
      if (late.signal.aborted) throw this.#failed("deadline", `no answer within ${timeoutMs} ms`);
      throw this.#failed("unavailable", reasonOf(error));
    } finally {
      stop();
    }
  }

  async #read(response: Response): Promise<string> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > answerBytesMax) {
        throw this.#failed("too_large", `the answer has more than ${answerBytesMax} bytes`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  #unexpected(what: string): MeshError {
    return this.#failed("unavailable", `${what}; is this the address of Jaeger's query service?`);
  }

  #failed(fault: "deadline" | "unavailable" | "too_large", reason: string): MeshError {
    return new MeshError(fault, `Jaeger at ${this.#base}: ${reason}`);
  }
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Pages of proxies and logins are not JSON, which the caller says.
    return undefined;
  }
}

/** Jaeger says what it does not have with errors in JSON; a page that is not there says something else. */
function hasErrors(json: unknown): boolean {
  return typeof json === "object" && json !== null && "errors" in json;
}

/** fetch says "fetch failed"; the reason is below. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || ("code" in cause ? String(cause.code) : cause.name);
}
