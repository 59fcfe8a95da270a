import { z } from "zod";
import { reading } from "../invalid-file.js";
import { ConfinedFolder } from "./confined-folder.js";

/** Which versions of a model are served, and how requests that name none are shared out. */
export interface Serving {
  readonly versions: "latest" | "all" | readonly string[];
  /** Empty: everything goes to the latest version. */
  readonly routes: readonly Route[];
}

export interface Route {
  readonly version: string;
  /** Its share is its weight over the sum of all. */
  readonly weight: number;
  /** Another name of the version. */
  readonly label: string | undefined;
}

const version = z.int().min(1).transform(String);
/** A label must not look like the number of a version. */
const label = z
  .string()
  .regex(/^(?!\d+$)[A-Za-z0-9][\w.-]{0,63}$/, "expected a name that is not a number");

const route = z
  .strictObject({
    version,
    weight: z.int().min(0).max(1_000_000),
    label: label.optional(),
  })
  .transform((said): Route => ({ ...said, label: said.label }));

const schema = z
  .strictObject({
    versions: z
      .union([z.enum(["latest", "all"]), z.array(version).min(1).max(1_000)])
      .default("latest"),
    routes: z.array(route).min(1).max(1_000).optional(),
  })
  .superRefine(({ versions, routes = [] }, context) => {
    const say = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message });
    if (Array.isArray(versions) && hasTwice(versions)) say("versions", "a version is there twice");
    if (routes.length === 0) return;
    if (hasTwice(routes.map((route) => route.version))) say("routes", "a version has two routes");
    if (hasTwice(routes.flatMap((route) => route.label ?? [])))
      say("routes", "a label is there twice");
    if (routes.every((route) => route.weight === 0)) say("routes", "expected a weight above 0");
    if (!Array.isArray(versions)) return;
    const lost = routes.find((route) => !versions.includes(route.version));
    if (lost !== undefined) say("routes", `version ${lost.version} is not among the versions`);
  })
  .transform(({ versions, routes = [] }): Serving => ({ versions, routes }));

/** Reads `serving.json` beside the version folders; without it, the latest version is served. */
export function readServing(modelPath: string): Serving {
  return reading("serving.json", () => {
    const said = new ConfinedFolder(modelPath).findJson("serving.json", schema);
    return said ?? { versions: "latest", routes: [] };
  });
}

function hasTwice(values: readonly string[]): boolean {
  return new Set(values).size < values.length;
}
