import { headersOf, problemOf } from "./ask-status.js";
import { browserClock } from "./browser-clock.js";
import { byId, element } from "./element.js";
import { beginTrace } from "./trace-parent.js";

/** How long a person waits for one text. */
const answerMsMax = 30_000;

/** Embeds a text whose trace begins in this page, and says where to find it. */
export function openTryIt(facts: {
  readonly key: () => string | undefined;
  readonly traceUrl: () => string;
}): void {
  const form = byId("try-form", HTMLFormElement);
  const text = byId("try-text", HTMLInputElement);
  const button = byId("try-send", HTMLButtonElement);
  const result = byId("try-result", HTMLElement);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    result.replaceChildren(element("p", { class: "hint" }, "Waiting for the vector"));
    void embed(text.value, facts.key(), facts.traceUrl())
      .then((shown) => result.replaceChildren(...shown))
      .finally(() => {
        button.disabled = false;
      });
  });
}

async function embed(text: string, key: string | undefined, traceUrl: string): Promise<Node[]> {
  const { traceId, header } = beginTrace(true);
  const beganAtMs = browserClock.nowMs();
  try {
    const answer = await fetch("/embed", {
      method: "POST",
      headers: { ...headersOf(key, header), "content-type": "application/json" },
      body: JSON.stringify({ inputs: text }),
      signal: AbortSignal.timeout(answerMsMax),
    });
    const ids = idsOf(answer, traceId, traceUrl);
    if (!answer.ok) return [failure(`The gateway answers ${await problemOf(answer)}`), ids];
    // The vectors of one text: what the route's description says.
    const [vector = []] = (await answer.json()) as readonly (readonly number[])[];
    const ms = Math.round(browserClock.nowMs() - beganAtMs);
    const done = `${vector.length} numbers after ${ms} ms${stagesOf(answer.headers)}`;
    return [element("p", {}, done), ids];
  } catch {
    return [failure("The gateway does not answer")];
  }
}

function failure(text: string): Node {
  return element("p", { class: "error" }, text);
}

/** Where the time went, as the gateway says. */
function stagesOf(headers: Headers): string {
  const stages = [
    ["tokenization", "x-tokenization-time"],
    ["queue", "x-queue-time"],
    ["model", "x-inference-time"],
  ] as const;
  const known = stages.flatMap(([name, header]) => {
    const ms = headers.get(header);
    return ms === null ? [] : [`${name} ${ms} ms`];
  });
  return known.length === 0 ? "" : `: ${known.join(", ")}`;
}

function idsOf({ headers }: Response, traceId: string, traceUrl: string): Node {
  const id = element("code", { id: "trace-id" }, traceId);
  const link = element("a", { href: `${traceUrl}${traceId}`, target: "_blank", rel: "noreferrer" });
  link.append("Open it in Jaeger");
  const hint = element("span", { class: "hint" }, "with JAEGER_UI_URL, this is a link");
  const request = element("code", { id: "request-id" }, headers.get("x-request-id") ?? "unknown");
  return element(
    "dl",
    { class: "facts" },
    element("dt", {}, "Trace"),
    element("dd", {}, id, " ", traceUrl === "" ? hint : link),
    element("dt", {}, "Request"),
    element("dd", {}, request),
  );
}
