import type { Profiler } from "node:inspector";

/** What of a thread's busy time was spent in functions of some files, and in all that they called. */
export interface Share {
  /** 0 to 1. */
  readonly share: number;
  /** Samples of those functions. */
  readonly samples: number;
  readonly busySamples: number;
}

/** `isMeant` is asked of the URL of a script. Samples are counted: the times between them are the scheduler's as well. */
export function shareOf(
  { nodes, samples: taken = [] }: Profiler.Profile,
  isMeant: (url: string) => boolean,
): Share {
  const meant = findMeant(nodes, isMeant);
  const idle = new Set(
    nodes.filter(({ callFrame }) => callFrame.functionName === "(idle)").map(({ id }) => id),
  );
  const busy = taken.filter((id) => !idle.has(id));
  const samples = busy.filter((id) => meant.has(id)).length;
  return { share: samples / busy.length, samples, busySamples: busy.length };
}

/** Functions of the files, and what stands below them. */
function findMeant(
  nodes: readonly Profiler.ProfileNode[],
  isMeant: (url: string) => boolean,
): ReadonlySet<number> {
  const meant = new Set<number>();
  // Children stand behind their parents.
  for (const { id, callFrame, children = [] } of nodes) {
    if (isMeant(callFrame.url)) meant.add(id);
    if (meant.has(id)) for (const child of children) meant.add(child);
  }
  return meant;
}
