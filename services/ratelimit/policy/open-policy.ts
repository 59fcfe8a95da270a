import { join } from "node:path";
import type { Clock } from "../../../lib/clock.js";
import type { Release } from "../../../lib/defer.js";
import type { Log } from "../../../lib/log.js";
import { packageRoot } from "../../../lib/package-root.js";
import { type WatchedFiles, watchFiles } from "../files/watched-files.js";
import { createPolicy, type Policy } from "./policy.js";
import { readPolicy } from "./read-policy.js";

export const defaultPolicyFile: string = join(packageRoot, "policies/default.yaml");

/** The policy of the configured file, or the one that is shipped; a new version of the file takes over while it runs. */
export async function openPolicy(
  { policyFile = defaultPolicyFile }: { readonly policyFile: string | undefined },
  platform: {
    readonly env: NodeJS.ProcessEnv;
    readonly clock: Clock;
    readonly defer: (release: Release) => void;
    readonly log: Pick<Log, "info" | "warn">;
  },
): Promise<WatchedFiles<Policy>> {
  const { env } = platform;
  return await watchFiles(
    { path: policyFile, parse: (files) => createPolicy(readPolicy(files, env)) },
    platform,
  );
}
