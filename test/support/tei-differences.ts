import type { TeiAnswer, TeiCase } from "./tei-cases.js";
import { differencesOf } from "./tei-compare.js";

/** Where Arrowmesh means to answer otherwise, and how. docs/text-embeddings-inference.md says the same. */
export interface Deliberate {
  readonly name: string;
  readonly reason: string;
  readonly applies: (one: TeiCase) => boolean;
  /** What is wrong with an answer even so. */
  readonly check: (one: TeiCase, answer: TeiAnswer) => readonly string[];
}

const isOpenAi = ({ path }: TeiCase): boolean => /^\/(v1\/)?embeddings$/.test(path);
const isAbout = (text: string) => (one: TeiCase) => one.id.includes(text);

/** The first that applies to a case decides. */
export const deliberate: readonly Deliberate[] = [
  {
    name: "routes of others",
    reason:
      "Cohere's and Jina's clients post to /v1/rerank, where text-embeddings-inference has nothing",
    applies: ({ path }) => path === "/v1/rerank",
    check: () => [],
  },
  {
    name: "compressed bodies",
    reason: "gzip and br are unpacked, within the bound of a body; TEI takes the bytes for JSON",
    applies: isAbout("content-encoding gzip"),
    check: expectStatus(200),
  },
  {
    name: "null is absent",
    reason:
      "clients write null for what they do not set; TEI refuses it where a field has a default",
    applies: (one) => /(normalize|encoding_format) null$/.test(one.id),
    check: expectStatus(200),
  },
  {
    name: "OpenAI's errors",
    reason:
      "OpenAI's SDKs read error.message, error.type and error.code, and know 400 and 404; 2,048 inputs are OpenAI's own limit, for which one free place is enough",
    applies: (one) => isOpenAi(one) && (one.status >= 400 || /openai (model|33)/.test(one.id)),
    check: checkOpenAi,
  },
  {
    name: "JSON as JavaScript reads it",
    reason:
      "2.0 is 2, of two fields of one name the last counts, and a number too large for the field is wrong by the field",
    applies: (one) => /embed (duplicate key|dimensions 2\.0|huge number)$/.test(one.id),
    check: (one, answer) => expectStatus(one.id.endsWith("huge number") ? 422 : 200)(one, answer),
  },
  {
    name: "vLLM's fields",
    reason: "vLLM's callers send `normalize` to /v1/embeddings, and mean it; TEI ignores it there",
    applies: (one) => isOpenAi(one) && /normalize/.test(one.id),
    check: expectStatus(200),
  },
  {
    name: "a list is no body",
    reason: "a struct written as a list depends on the order of fields that nobody promises",
    applies: isAbout("body is a list"),
    check: expectStatus(422),
  },
  {
    name: "ids outside the vocabulary",
    reason: "TEI drops them and answers for another text; a mistake should be seen",
    applies: isAbout("out of vocabulary"),
    check: expectStatus(422),
  },
  {
    name: "predict and rerank on the default model",
    reason:
      "the embedded model has a sentiment head and ranks by cosine, so both routes work (TEI: 424); bad input is refused as it is on their own models",
    applies: ({ config, path, status }) =>
      config !== "classifier" && /^\/(predict|rerank)$/.test(path) && status === 424,
    check: checkDefaultModel,
  },
  {
    name: "/info",
    reason:
      "facts of TEI's own build (version, sha, workers) and of its batches are ours or null; `rerank` says how /rerank scores",
    applies: ({ path }) => path === "/info",
    check: checkInfo,
  },
  {
    name: "errors are JSON",
    reason:
      "TEI answers some errors as plain text or with nothing; here each is JSON that begins with the same words, and carries request_id",
    applies: ({ status }) => status >= 400,
    check: checkError,
  },
];

function expectStatus(status: number) {
  return (_one: TeiCase, answer: TeiAnswer): readonly string[] =>
    answer.status === status ? [] : [`status ${answer.status}, not ${status}`];
}

interface ErrorBody {
  readonly error?: unknown;
  readonly error_type?: unknown;
  readonly request_id?: unknown;
}

/** The same status, as JSON; texts of a JSON parser's own differ after their beginning. */
function checkError(one: TeiCase, answer: TeiAnswer): readonly string[] {
  const { request_id, ...body } = (answer.json ?? {}) as ErrorBody;
  const isHead = one.method === "HEAD";
  if (!isHead && typeof request_id !== "string") return ["no request_id"];
  if (one.response_is_text !== true) return differencesOf(one, { ...answer, json: body });
  const beginning = String(one.response).split(/(?<=: )/)[0] ?? "";
  const words = String(body.error).startsWith(beginning) ? body.error : one.response;
  return differencesOf(
    {
      ...one,
      response_headers: { ...one.response_headers, "content-type": "application/json" },
      response: { error: words, error_type: body.error_type },
    },
    { ...answer, json: body },
  );
}

function checkOpenAi(one: TeiCase, answer: TeiAnswer): readonly string[] {
  if (/^openai (33|3 inputs)$/.test(one.id)) return expectStatus(200)(one, answer);
  const { error } = (answer.json ?? {}) as { readonly error?: { readonly message?: unknown } };
  if (typeof error?.message !== "string" && one.status !== 405) return ["no error.message"];
  if (one.id === "openai model") return expectStatus(404)(one, answer);
  return expectStatus([422, 424].includes(one.status) ? 400 : one.status)(one, answer);
}

function checkDefaultModel(one: TeiCase, answer: TeiAnswer): readonly string[] {
  if (/empty (string|query|text)/.test(one.id)) return expectStatus(400)(one, answer);
  if (one.id.includes("33")) return expectStatus(422)(one, answer);
  const items = Array.isArray(answer.json) ? answer.json.flat() : [];
  const isScored = items.length > 0 && items.every((item) => typeof item.score === "number");
  return isScored ? expectStatus(200)(one, answer) : ["no scores"];
}

const ownFacts = [
  "max_batch_tokens",
  "max_batch_requests",
  "tokenization_workers",
  "version",
  "sha",
  "rerank",
] as const;

function checkInfo(one: TeiCase, answer: TeiAnswer): readonly string[] {
  if (one.status >= 400) return checkError(one, answer);
  const given = answer.json as Record<string, unknown>;
  const absent = ownFacts.filter((name) => given[name] === undefined);
  const own = Object.fromEntries(ownFacts.map((name) => [name, given[name]]));
  const wanted = { ...one, response: { ...(one.response as object), ...own } };
  return [...absent.map((name) => `no ${name}`), ...differencesOf(wanted, answer)];
}
