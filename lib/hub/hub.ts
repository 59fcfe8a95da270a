import { type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { z } from "zod";
import { MeshError } from "../errors.js";
import type { HubConfig } from "./config.js";
import type { Digest } from "./digest.js";
import { createHubFetch, discard, type Fetch, type HubFetchDeps } from "./hub-fetch.js";
import { isCommit, isPathInside, type ModelReference, quote } from "./names.js";
import { type RetryDeps, withRetries } from "./retry.js";

/** A file of a repository, before it is downloaded. */
export interface HubFile {
  readonly path: string;
  readonly bytes: number;
  readonly digest: Digest;
}

/** Bytes of one answer about a repository; a page of a thousand files has less than one MiB. */
const answerBytesMax = 16 << 20;

const entrySchema = z.object({
  path: z.string(),
  size: z.int().nonnegative(),
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z
    .object({ size: z.int().nonnegative(), oid: z.string().regex(/^[0-9a-f]{64}$/) })
    .optional(),
});

/** One model of the hub. What is listed comes by Hugging Face's library, over a fetch with deadlines and bounds. */
export class Hub {
  readonly #config: HubConfig;
  readonly #reference: ModelReference;
  readonly #retry: RetryDeps;
  readonly #fetch: Fetch;

  constructor(deps: HubFetchDeps & RetryDeps) {
    this.#config = deps.config;
    this.#reference = deps.reference;
    this.#retry = deps;
    this.#fetch = createHubFetch(deps);
  }

  /** The commit that the revision stands for now. */
  async readCommit(): Promise<string> {
    const { source, revision } = this.#reference;
    if (isCommit(revision)) return revision;
    const { sha } = await this.#ask(() =>
      modelInfo({ ...this.#library(), name: source, revision, additionalFields: ["sha"] }),
    );
    if (typeof sha === "string" && isCommit(sha)) return sha;
    throw new MeshError("internal", `${source}: the hub names no commit for ${revision}`);
  }

  /** Every file of a commit. A name that would leave its folder condemns the whole list. */
  async listFiles(commit: string): Promise<HubFile[]> {
    const repo = { type: "model", name: this.#reference.source } as const;
    const { entriesMax } = this.#config;
    return await this.#ask(async () => {
      const all: ListFileEntry[] = [];
      const pages = listFiles({ ...this.#library(), repo, revision: commit, recursive: true });
      for await (const entry of pages) {
        if (all.push(entry) <= entriesMax) continue;
        throw new MeshError("too_large", `${repo.name} lists more than ${entriesMax} files`);
      }
      return all.filter(({ type }) => type === "file").map(toHubFile);
    });
  }

  /** The bytes of a file from `offset` on, if the hub agrees; `etag` is what the bytes before it came with. */
  async open(
    commit: string,
    path: string,
    from: { readonly offset: number; readonly etag: string | undefined },
  ): Promise<Response> {
    const { endpoint } = this.#config;
    const name = path.split("/").map(encodeURIComponent).join("/");
    const headers = new Headers();
    // A compressed answer has no bytes to resume at; of a range, fetch says so itself.
    if (from.offset === 0) headers.set("accept-encoding", "identity");
    else headers.set("range", `bytes=${from.offset}-`);
    if (from.offset > 0 && from.etag !== undefined) headers.set("if-range", from.etag);
    return await this.#fetch(`${endpoint}/${this.#reference.source}/resolve/${commit}/${name}`, {
      headers,
    });
  }

  /** What every call of the library needs. The token is not among it: our fetch adds it. */
  #library(): { hubUrl: string; fetch: Fetch } {
    const fetch: Fetch = async (input, init) => bounded(await this.#fetch(input, init));
    return { hubUrl: this.#config.endpoint, fetch };
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    return await withRetries(this.#retry, async () => {
      try {
        return await question();
      } catch (error) {
        if (error instanceof MeshError || this.#retry.signal.aborted) throw error;
        throw new MeshError(
          "internal",
          `${this.#reference.source}: the hub's answer cannot be read`,
          { cause: error },
        );
      }
    });
  }
}

function toHubFile(entry: ListFileEntry): HubFile {
  const shown = quote(String(entry.path));
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) {
    throw new MeshError("internal", `the hub lists ${shown} without size or checksum`);
  }
  if (!isPathInside(parsed.data.path)) {
    throw new MeshError("internal", `the hub lists a forbidden file name: ${shown}`);
  }
  const { path, size, oid, lfs } = parsed.data;
  return lfs === undefined
    ? { path, bytes: size, digest: { kind: "git", hex: oid } }
    : { path, bytes: lfs.size, digest: { kind: "sha256", hex: lfs.oid } };
}

/** The same answer; reading it fails where it becomes too long. */
async function bounded(response: Response): Promise<Response> {
  if (Number(response.headers.get("content-length") ?? 0) > answerBytesMax) {
    await discard(response);
    throw tooLong();
  }
  let bytes = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > answerBytesMax) controller.error(tooLong());
      else controller.enqueue(chunk);
    },
  });
  return new Response(response.body?.pipeThrough(counter) ?? null, response);
}

function tooLong(): MeshError {
  return new MeshError("too_large", `an answer of the hub has more than ${answerBytesMax} bytes`);
}
