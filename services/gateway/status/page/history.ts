import { type Reading, readingOf, type Span } from "./reading.js";
import type { ProcessJson, StatusJson } from "./status-json.js";

/** Every point of a chart covers so long, so that few requests make no comb. */
export const spanMs = 5_000;
/** How far back charts go. */
export const windowMs = 5 * 60_000;
/** At one answer a second, with some to spare. */
const pointsMax = 400;
/** Observations of a process: one a second over a span, with some to spare. */
const observationsMax = 16;
/** Processes that are remembered, those gone included. */
const processesMax = 128;
/** A process that nobody speaks of any more: several gateways behind one address each know their own. */
const forgottenMs = 10_000;

/** One moment of the charts. */
export interface Point {
  /** By the clock of this page. */
  readonly atMs: number;
  /** Undefined: nobody answered. */
  readonly reading: Reading | undefined;
}

/** What this page remembers of the mesh: the last minutes of it, and the last seconds of each process. */
export class History {
  readonly #processes = new Map<string, Remembered>();
  #points: Point[] = [];

  get points(): readonly Point[] {
    return this.#points;
  }

  /** Processes as they were last heard of. */
  get processes(): readonly ProcessJson[] {
    return [...this.#processes.values()].map(({ observations }) => latestOf(observations));
  }

  /** What each process did lately, of those that answer. */
  get spans(): readonly Span[] {
    return [...this.#processes.values()].flatMap(({ observations }) => spanOf(observations));
  }

  answered({ processes }: StatusJson, nowMs: number): void {
    for (const process of processes) this.#observe(process, nowMs);
    const named = new Set(processes.map(nameOf));
    for (const [name, { heardAtMs }] of this.#processes) {
      // A placeholder of a role goes as soon as a process of it is known.
      const isGone = name.startsWith("?") && !named.has(name);
      const isOver = this.#processes.size > processesMax;
      if (isGone || isOver || nowMs - heardAtMs > forgottenMs) this.#processes.delete(name);
    }
    this.#add({ atMs: nowMs, reading: readingOf(this.spans) });
  }

  /** Leaves a gap in the charts. */
  unanswered(nowMs: number): void {
    if (this.#points.at(-1)?.reading !== undefined) this.#add({ atMs: nowMs, reading: undefined });
  }

  #observe(process: ProcessJson, nowMs: number): void {
    const name = nameOf(process);
    const known = this.#processes.get(name)?.observations ?? [];
    const last = known.at(-1);
    // A repeated answer takes the place of the one it repeats.
    const kept = last?.uptimeMs === process.uptimeMs ? known.slice(0, -1) : known;
    const observations = [...kept, process].slice(-observationsMax);
    this.#processes.delete(name);
    this.#processes.set(name, { observations, heardAtMs: nowMs });
  }

  #add(point: Point): void {
    const points = [...this.#points, point].slice(-pointsMax);
    this.#points = points.filter(({ atMs }) => point.atMs - atMs <= windowMs);
  }
}

interface Remembered {
  readonly observations: readonly ProcessJson[];
  readonly heardAtMs: number;
}

/** A role of which no process is known has a name, too. */
function nameOf({ instanceId, roles }: ProcessJson): string {
  return instanceId === "" ? `?${roles.join()}` : instanceId;
}

function latestOf(observations: readonly ProcessJson[]): ProcessJson {
  // There is one from the first moment on.
  return observations.at(-1) as ProcessJson;
}

/** From the latest observation that is a span older than the last one, or from the first. */
function spanOf(observations: readonly ProcessJson[]): Span[] {
  const to = latestOf(observations);
  if (!to.answering) return [];
  const isOldEnough = ({ uptimeMs }: ProcessJson) => to.uptimeMs - uptimeMs >= spanMs;
  const from = observations.findLast(isOldEnough) ?? observations[0];
  return from === undefined ? [] : [{ from, to }];
}
