import { MeshError } from "../errors.js";

/** Which model of the hub is meant; every part is safe in a URL and in a path. */
export interface ModelReference {
  /** `org/name`. */
  readonly source: string;
  /** The part after the owner. */
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/** Reads `org/name` or `org/name@revision`; a revision given apart must not contradict. */
export function readModelReference(raw: string, apart?: string): ModelReference {
  const [source = "", inside, ...rest] = raw.split("@");
  const [, owner, name] = /^([^/]+)\/([^/]+)$/.exec(source) ?? [];
  if (!isName(owner) || !isName(name) || rest.length > 0) {
    throw new MeshError("invalid", `expected org/name[@revision], not ${quote(raw)}`);
  }
  if (inside !== undefined && apart !== undefined && inside !== apart) {
    throw new MeshError("invalid", `two revisions: ${quote(inside)} and ${quote(apart)}`);
  }
  const revision = inside ?? apart ?? "main";
  if (!isRevision(revision)) {
    throw new MeshError("invalid", `not a revision: ${quote(revision)}`);
  }
  return { source, name, revision };
}

/** Whether this is a full commit hash, which always means the same files. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** Whether a file of a repository stays inside the folder it is written to. */
export function isPathInside(path: string): boolean {
  const segments = path.split(/[/\\]/);
  const isOutside = segments.some((segment) => ["", ".", ".."].includes(segment));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return !isOutside && path.length <= 1_024 && !/[\x00-\x1f\x7f]|^[a-z]:/i.test(path);
}

/** Foreign text for a message: on one line, and not longer than one. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

/** A name of the hub's repositories and owners. */
function isName(name: string | undefined): name is string {
  return name !== undefined && /^\w[\w.-]{0,95}$/.test(name) && !/\.\.|--|\.git$/.test(name);
}

function isRevision(revision: string): boolean {
  return /^\w[\w.+/-]{0,199}$/.test(revision) && isPathInside(revision) && !revision.includes("..");
}
