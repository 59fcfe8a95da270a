import type { Clock } from "../clock.js";
import { type Fault, type FaultDetails, MeshError } from "../errors.js";
import type { HubConfig } from "./config.js";
import { IdleWatch } from "./idle-watch.js";
import type { ModelReference } from "./names.js";

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface HubFetchDeps {
  readonly config: HubConfig;
  readonly clock: Clock;
  /** For what errors say. */
  readonly reference: ModelReference;
  readonly signal: AbortSignal;
}

const redirectsMax = 8;

/**
 * `fetch` as everything here uses it, the hub's library too: each wait has a deadline, the token goes to the endpoint's
 * origin and nowhere else, and a failure is a MeshError without secrets. 416 is an answer, for whoever asks for a range.
 */
export function createHubFetch(deps: HubFetchDeps): Fetch {
  return async (input, init = {}) => {
    let url = new URL(input instanceof Request ? input.url : input);
    for (let hop = 0; hop <= redirectsMax; hop += 1) {
      const answer = await request(url, init, deps);
      if (answer instanceof Response) return answer;
      url = answer;
    }
    throw new MeshError("internal", `${url.host} redirects more than ${redirectsMax} times`);
  };
}

/** One request: what it answers, or where it redirects. */
async function request(url: URL, init: RequestInit, deps: HubFetchDeps): Promise<Response | URL> {
  const { config, clock, signal } = deps;
  const watch = new IdleWatch({ clock, idleMsMax: config.idleMsMax, signal });
  const headers = headersFor(url, init.headers, config);
  const response = await watch.wait(url.host, () =>
    fetch(url, { ...init, headers, redirect: "manual", signal: watch.signal }),
  );
  const next = await redirectOf(response, url);
  if (next !== undefined) return next;
  if (!response.ok && response.status !== 416) {
    await discard(response);
    throw refusal(response, url, deps);
  }
  if (response.body === null) return response;
  return new Response(watch.watch(url.host, response.body), response);
}

/** Ends an answer whose body nobody reads, so that its connection does not stay open. */
export async function discard(response: Response): Promise<void> {
  // It may have failed before, which changes nothing.
  await response.body?.cancel().catch(() => undefined);
}

function headersFor(url: URL, given: HeadersInit | undefined, { endpoint, token }: HubConfig) {
  const headers = new Headers(given);
  headers.delete("authorization");
  if (token !== undefined && url.origin === new URL(endpoint).origin) {
    headers.set("authorization", `Bearer ${token.reveal()}`);
  }
  return headers;
}

async function redirectOf(response: Response, from: URL): Promise<URL | undefined> {
  const location = response.headers.get("location");
  if (location === null || response.status < 300 || response.status > 399) return undefined;
  await discard(response);
  if (!URL.canParse(location, from)) {
    throw new MeshError("internal", `${from.host} redirects to what is no URL`);
  }
  const to = new URL(location, from);
  const isAllowed = to.protocol === "https:" || (to.protocol === "http:" && isPlain(from));
  if (!isAllowed) throw new MeshError("internal", `${from.host} redirects to ${to.protocol}`);
  return to;
}

function isPlain({ protocol }: URL): boolean {
  return protocol === "http:";
}

/** A failure that a retry may mend, or a refusal that it cannot. */
function refusal(response: Response, url: URL, { config, clock, reference }: HubFetchDeps) {
  const { status } = response;
  const isHub = url.origin === new URL(config.endpoint).origin;
  // A store of files refuses links that expired; a retry asks the hub for a new one.
  if (status === 408 || status === 429 || status >= 500 || !isHub) {
    const details = retryDetails(response, clock);
    const fault = status === 429 ? "limited" : "unavailable";
    return new MeshError(fault, `${url.host} answers ${status}`, details);
  }
  const [fault, why] = verdictOf(response, reference, config.token !== undefined);
  return new MeshError(fault, `${reference.source}: ${why} (${status} from ${url.host})`);
}

function verdictOf(
  { status, headers }: Response,
  { revision }: ModelReference,
  hasToken: boolean,
): readonly [Fault, string] {
  if (status === 401) {
    const why = hasToken ? "the token in HF_TOKEN may not read it" : "reading it needs HF_TOKEN";
    return ["unauthenticated", `no such repository, or ${why}`];
  }
  if (status === 403) {
    const who = hasToken ? "the owner of HF_TOKEN" : "callers without HF_TOKEN";
    return ["forbidden", `the repository is gated and not for ${who}`];
  }
  if (status !== 404) return ["internal", "the hub refuses"];
  const isRevision = headers.get("x-error-code") === "RevisionNotFound";
  return ["not_found", isRevision ? `no revision ${revision}` : "no such repository or file"];
}

function retryDetails(response: Response, clock: Clock): FaultDetails {
  const after = response.headers.get("retry-after");
  if (after === null) return {};
  const retryAfterMs = /^\d+$/.test(after)
    ? Number(after) * 1_000
    : Date.parse(after) - clock.dateMs();
  return retryAfterMs > 0 ? { retryAfterMs } : {};
}
