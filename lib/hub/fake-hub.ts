import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { sleep, systemClock } from "../clock.js";

/** How a download goes wrong; everything else about it is right. */
export interface Mishap {
  /** The connection ends after so many bytes of the answer. */
  readonly cutAfter?: number;
  /** The connection stays open after so many bytes, and nothing more comes. */
  readonly silentAfter?: number;
  /** The first byte is wrong. */
  readonly isCorrupt?: boolean;
  /** The whole file comes whatever is asked for. */
  readonly ignoresRange?: boolean;
  /** A tag that is not the file's. */
  readonly etag?: string;
  /** A refusal instead of bytes. */
  readonly status?: number;
  /** Besides those that are right, or instead. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request as it came. */
export interface Asked {
  readonly server: "hub" | "cdn";
  /** Of a file's bytes; undefined for everything else. */
  readonly path: string | undefined;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly authorization: string | undefined;
}

type Files = Readonly<Record<string, string | Buffer>>;

/** A file as it is sent, and whether so many bytes of it have come through. */
interface Sent {
  readonly file: { readonly bytes: Buffer; readonly etag: string } & Mishap;
  readonly isWritten: (count: number) => boolean;
}

const largeBytesMin = 1_000;
const pageSize = 3;

/**
 * A hub on loopback that speaks Hugging Face's protocol for org/name: it redirects to small files of its own, and to
 * large ones at another origin.
 */
export class FakeHub {
  readonly asked: Asked[] = [];
  /** Asked before each file is sent. */
  mishap: (path: string) => Mishap | undefined = () => undefined;
  /** Bytes of the present file that its puller has written: fetch drops what it has not handed over. */
  writtenBytes = 0;
  /** Without it in a request, the hub refuses. */
  token: string | undefined;
  /** Instead of the next right answers about the repository. */
  readonly statuses: number[] = [];
  /** What the tree lists besides the files. */
  extraEntries: readonly unknown[] = [];
  readonly #commits = new Map<string, Files>();
  readonly #branches = new Map<string, string>();
  readonly #hub = createServer((request, response) => this.#answer(request, response));
  readonly #cdn = createServer((request, response) => this.#answerFile("cdn", request, response));

  static async start(): Promise<FakeHub> {
    const fake = new FakeHub();
    for (const server of [fake.#hub, fake.#cdn]) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
    return fake;
  }

  get endpoint(): string {
    return originOf(this.#hub);
  }

  /** A commit with these files, which the branch means from now on. Returns its hash. */
  commit(files: Files, branch = "main"): string {
    const hash = createHash("sha1");
    for (const [path, content] of Object.entries(files)) hash.update(`${path}\0`).update(content);
    const commit = hash.digest("hex");
    this.#commits.set(commit, files);
    this.#branches.set(branch, commit);
    return commit;
  }

  /** Of every request for bytes so far, the file. */
  get downloads(): string[] {
    return this.asked.flatMap(({ path }) => path ?? []);
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): ServerResponse {
    const { kind, commit, path, url } = this.#read(request);
    if (kind === "bytes") return this.#answerFile("hub", request, response);
    this.#note("hub", request, undefined);
    const status = this.statuses.shift();
    if (status !== undefined) return refuse(response, status, "Broken");
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      return refuse(response, 401, "RepoNotFound");
    }
    if (kind === undefined) return refuse(response, 404, "RepoNotFound");
    const files = this.#commits.get(commit);
    if (files === undefined) return refuse(response, 404, "RevisionNotFound");
    if (kind === "revision") return sendJson(response, { _id: "1", id: "org/name", sha: commit });
    if (kind === "tree") return this.#sendPage(response, url, files);
    return this.#redirect(response, { commit, path, content: files[path] });
  }

  #read({ url = "" }: IncomingMessage) {
    const parsed = new URL(url, this.endpoint);
    const pattern = /^\/(?:api\/models\/)?org\/name\/(revision|tree|resolve|bytes)\/([^/]+)\/?(.*)/;
    const [, kind, revision = "", path = ""] = pattern.exec(parsed.pathname) ?? [];
    const commit = this.#branches.get(decodeURIComponent(revision)) ?? revision;
    return { kind, commit, path: decodeURIComponent(path), url: parsed };
  }

  #note(server: "hub" | "cdn", { headers }: IncomingMessage, path: string | undefined): void {
    const { range, authorization } = headers;
    const ifRange = headers["if-range"]?.toString();
    this.asked.push({ server, path, range, ifRange, authorization });
  }

  #sendPage(response: ServerResponse, url: URL, files: Files): ServerResponse {
    const entries = [...Object.entries(files).map(toEntry), ...this.extraEntries];
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const to = from + pageSize;
    if (to < entries.length) {
      url.searchParams.set("cursor", String(to));
      response.setHeader("link", `<${url.href}>; rel="next"`);
    }
    return sendJson(response, entries.slice(from, to));
  }

  #redirect(
    response: ServerResponse,
    file: { commit: string; path: string; content: string | Buffer | undefined },
  ): ServerResponse {
    const { commit, path, content } = file;
    if (content === undefined) return refuse(response, 404, "EntryNotFound");
    const bytes = Buffer.from(content);
    const target = `/org/name/bytes/${commit}/${encodeURIComponent(path)}`;
    return response
      .writeHead(isLarge(bytes) ? 302 : 307, {
        "x-repo-commit": commit,
        "x-linked-size": bytes.length,
        "x-linked-etag": `"${isLarge(bytes) ? sha256Of(bytes) : gitIdOf(bytes)}"`,
        location: isLarge(bytes) ? `${originOf(this.#cdn)}${target}?signature=s3cret` : target,
      })
      .end();
  }

  #answerFile(
    server: "hub" | "cdn",
    request: IncomingMessage,
    response: ServerResponse,
  ): ServerResponse {
    const { commit, path } = this.#read(request);
    this.#note(server, request, path);
    const bytes = Buffer.from(this.#commits.get(commit)?.[path] ?? "");
    const file = {
      bytes,
      etag: `"${gitIdOf(bytes)}"`,
      ...this.mishap(path),
    };
    return sendBytes(request, response, { file, isWritten: (count) => this.writtenBytes >= count });
  }
}

function toEntry([path, content]: readonly [string, string | Buffer]): unknown {
  const bytes = Buffer.from(content);
  const entry = { type: "file", path, size: bytes.length, oid: gitIdOf(bytes) };
  if (!isLarge(bytes)) return entry;
  return { ...entry, lfs: { oid: sha256Of(bytes), size: bytes.length, pointerSize: 130 } };
}

function isLarge(bytes: Buffer): boolean {
  return bytes.length >= largeBytesMin;
}

function sendBytes({ headers }: IncomingMessage, response: ServerResponse, sent: Sent) {
  const { file } = sent;
  if (file.status !== undefined) return response.writeHead(file.status, file.headers).end("no");
  const isFresh = headers["if-range"] === undefined || headers["if-range"] === file.etag;
  const range = file.ignoresRange || !isFresh ? undefined : headers.range;
  const first = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  const { length } = file.bytes;
  if (first > 0 && first >= length) {
    return response.writeHead(416, { "content-range": `bytes */${length}` }).end();
  }
  response.writeHead(first > 0 ? 206 : 200, {
    etag: file.etag,
    "content-length": length - first,
    ...(first > 0 && { "content-range": `bytes ${first}-${length - 1}/${length}` }),
    ...file.headers,
  });
  return sendBody(response, sent, first);
}

function sendBody(response: ServerResponse, { file, isWritten }: Sent, first: number) {
  const body = Buffer.from(file.bytes.subarray(first));
  if (file.isCorrupt) body[0] = (body[0] ?? 0) ^ 1;
  const { silentAfter, cutAfter } = file;
  if (silentAfter === undefined && cutAfter === undefined) return response.end(body);
  response.write(body.subarray(0, silentAfter ?? cutAfter));
  if (cutAfter !== undefined) void cutWhen(response, () => isWritten(first + cutAfter));
  return response;
}

async function cutWhen(response: ServerResponse, isTime: () => boolean): Promise<void> {
  for (let polls = 0; polls < 500 && !isTime(); polls += 1) await sleep(systemClock, 5);
  response.destroy();
}

function refuse(response: ServerResponse, status: number, code: string): ServerResponse {
  return response.writeHead(status, { "x-error-code": code, "retry-after": "0" }).end(code);
}

function sendJson(response: ServerResponse, value: unknown): ServerResponse {
  return response.setHeader("content-type", "application/json").end(JSON.stringify(value));
}

function originOf(server: Server): string {
  // A server that listens on TCP has such an address.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** How git names a file's content. */
export function gitIdOf(bytes: Buffer): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

export function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
