import { MeshError } from "../../../lib/errors.js";
import type { Route, Serving } from "../../../lib/model-folder/serving.js";
import { findVersions, type VersionFolder } from "../../../lib/model-folder/versions.js";

/** Nobody finds a folder that is not there or cannot be read; loading says why. */
export function foldersOf(path: string): readonly VersionFolder[] {
  try {
    return findVersions(path);
  } catch {
    return [];
  }
}

/** The versions that serving.json asks for, in the order of their numbers; what it names has to be there. */
export function wantedOf(
  folders: readonly VersionFolder[],
  { versions, routes }: Serving,
  name: string,
): readonly VersionFolder[] {
  const latest = folders.at(-1);
  if (latest === undefined) throw new MeshError("invalid", `${name} has no version to serve`);
  const named = typeof versions === "string" ? routes.map(({ version }) => version) : versions;
  const lost = named.find((version) => folders.every((folder) => folder.version !== version));
  if (lost !== undefined) {
    throw new MeshError("invalid", `${name} has no version ${lost}, which serving.json names`);
  }
  if (versions === "all") return folders;
  if (named.length === 0) return [latest];
  return folders.filter(({ version }) => named.includes(version));
}

/** How requests are shared out: as serving.json says, or everything to the latest version. */
export function routesOf({ routes }: Serving, wanted: readonly VersionFolder[]): readonly Route[] {
  if (routes.length > 0) return routes;
  const latest = wanted.at(-1);
  return latest === undefined ? [] : [onlyRoute(latest.version)];
}

export function onlyRoute(version: string): Route {
  return { version, weight: 1, label: undefined };
}
