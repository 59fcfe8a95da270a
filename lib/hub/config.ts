import { type ConfigOf, flag, integer, secret, text } from "../config.js";

const gibibyte = 1 << 30;

/** How models are downloaded from a hub that speaks Hugging Face's protocol. */
export const hubSchema = {
  endpoint: {
    env: "HF_ENDPOINT",
    doc: "address of the hub, or of a mirror of it",
    parse: text()
      .refine(isEndpoint, "expected an http or https URL without credentials, query or fragment")
      .transform((url) => url.replace(/\/+$/, "")),
    fallback: "https://huggingface.co",
  },
  token: {
    env: "HF_TOKEN",
    doc: "access token for private and gated models; sent to HF_ENDPOINT only",
    // What cannot be a header is refused here, because fetch would print it.
    parse: text()
      .regex(/^[\x21-\x7e]+$/, "expected a token without spaces")
      .pipe(secret()),
    fallback: undefined,
  },
  isOffline: {
    env: "HF_HUB_OFFLINE",
    doc: "never ask the hub: a model is used as it was pulled before, or refused",
    parse: flag(),
    fallback: false,
  },
  fileBytesMax: {
    env: "PULL_FILE_BYTES_MAX",
    doc: "bytes of one file; a larger one is refused before anything is downloaded",
    parse: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    fallback: 8 * gibibyte,
  },
  bytesMax: {
    env: "PULL_BYTES_MAX",
    doc: "bytes of all files of a model; more is refused before anything is downloaded",
    parse: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    fallback: 32 * gibibyte,
  },
  entriesMax: {
    env: "PULL_ENTRIES_MAX",
    doc: "files and folders that a repository may list",
    parse: integer({ min: 1, max: 10_000_000 }),
    fallback: 100_000,
  },
  idleMsMax: {
    env: "PULL_IDLE_TIMEOUT_MS",
    doc: "milliseconds in which the hub has to send something, whatever is waited for",
    parse: integer({ min: 1, max: 300_000 }),
    fallback: 30_000,
  },
  pullMsMax: {
    env: "PULL_TIMEOUT_MS",
    doc: "milliseconds that all of a pull may last, with waiting for another pull",
    parse: integer({ min: 1, max: 7 * 86_400_000 }),
    fallback: 6 * 3_600_000,
  },
  retriesMax: {
    env: "PULL_RETRIES_MAX",
    doc: "retries of a request, or of the rest of a file, after the hub failed",
    parse: integer({ min: 0, max: 100 }),
    fallback: 6,
  },
  retryWaitMsMin: {
    env: "PULL_RETRY_WAIT_MS",
    doc: "milliseconds before the first retry, on average; doubled for each further one",
    parse: integer({ min: 1, max: 60_000 }),
    fallback: 500,
  },
  retryWaitMsMax: {
    env: "PULL_RETRY_WAIT_MS_MAX",
    doc: "milliseconds before any retry, even if the hub asks for more",
    parse: integer({ min: 1, max: 600_000 }),
    fallback: 30_000,
  },
} as const;

export type HubConfig = ConfigOf<typeof hubSchema>;

function isEndpoint(raw: string): boolean {
  if (!URL.canParse(raw)) return false;
  const { protocol, username, password, search, hash } = new URL(raw);
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === "";
}
