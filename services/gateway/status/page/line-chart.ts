import { drawing, element, setAttributes, setText } from "./element.js";
import { format, formatAge, partsOf, type Unit } from "./format.js";
import { type Point, windowMs } from "./history.js";
import type { Reading } from "./reading.js";
import { areaBetween, axisEnd, type Corner, lineThrough } from "./scale.js";

/** One line of a chart. */
export interface LineSpec {
  readonly name: string;
  readonly read: (reading: Reading) => number | undefined;
}

export interface ChartSpec {
  readonly title: string;
  readonly unit: Unit;
  /** What its numbers are of, where the title and the unit do not say it. */
  readonly per?: string;
  /** The large number, where it is not that of the first line. */
  readonly headline?: { readonly unit: Unit; readonly read: LineSpec["read"] };
  /** At most four: there is no fifth colour. */
  readonly lines: readonly LineSpec[];
  /** Whether lines stand on each other, because together they are a whole. */
  readonly isStacked?: boolean;
  /** The axis reaches at least so far: a flat line of small numbers must not look like a mountain range. */
  readonly axisEndMin: number;
  /** What stands where nothing was counted in all the time shown. */
  readonly nothing: string;
}

/** The least that charts show, so that the first points do not jump about. */
const windowMsMin = 60_000;
const height = 136;
const bottom = 18;
const top = 8;

/** One card: a headline, lines over the last minutes, and a legend that shows the values of one moment. */
export class LineChart {
  readonly root: HTMLElement;
  readonly #spec: ChartSpec;
  readonly #svg = drawing("svg", { tabindex: 0, role: "slider", "aria-orientation": "horizontal" });
  readonly #areas: readonly SVGPathElement[];
  readonly #lines: readonly SVGPathElement[];
  readonly #ticks = [0, 0.5, 1].map((share) => ({
    share,
    rule: drawing("line", { class: "grid", x1: 0 }),
    label: drawing("text", { class: "tick", x: 0 }),
  }));
  readonly #ends = [drawing("text", { class: "tick" }), drawing("text", { class: "tick" }, "now")];
  readonly #cursor = drawing("line", { class: "cursor", y1: top, y2: height - bottom });
  readonly #moment = element("span", { class: "moment" });
  readonly #headline = element("p", { class: "headline" });
  readonly #nothing: HTMLElement;
  readonly #values: readonly HTMLElement[];
  #points: readonly Point[] = [];
  #nowMs = 0;
  #width = 320;
  /** From the left edge to now: as much as there is, up to what is kept. */
  #shownMs = windowMsMin;
  /** The moment that a reader looks at, in milliseconds before now; undefined: the latest. */
  #agoMs: number | undefined;

  constructor(spec: ChartSpec) {
    this.#spec = spec;
    const { title, lines } = spec;
    const pathsOf = (kind: string) =>
      lines.map((_, at) => drawing("path", { class: `${kind} series-${at + 1}` }));
    this.#areas = spec.isStacked === true ? pathsOf("area") : [];
    this.#lines = pathsOf("line");
    this.#values = lines.map(() => element("b"));
    this.#nothing = element("p", { class: "nothing" }, spec.nothing);
    setAttributes(this.#svg, {
      "aria-label": `${title}: moment shown, in seconds before now`,
      "aria-valuemax": 0,
    });
    this.#svg.append(
      ...this.#ticks.map(({ rule }) => rule),
      ...this.#areas,
      ...this.#lines,
      this.#cursor,
      ...this.#ticks.map(({ label }) => label),
      ...this.#ends,
    );
    this.root = element(
      "article",
      { class: "card chart" },
      element("header", {}, element("h2", {}, title), this.#moment),
      this.#headline,
      element("div", { class: "plot" }, this.#svg, this.#nothing),
      element("ul", { class: "legend" }, ...lines.map((line, at) => this.#legendOf(line, at))),
    );
    this.#listen();
  }

  show(points: readonly Point[], nowMs: number): void {
    this.#points = points;
    this.#nowMs = nowMs;
    const knownMs = nowMs - (points[0]?.atMs ?? nowMs);
    this.#shownMs = Math.min(windowMs, Math.max(windowMsMin, knownMs));
    this.#draw();
  }

  #legendOf({ name }: LineSpec, at: number): HTMLElement {
    const key = drawing(
      "svg",
      { class: `key series-${at + 1}`, viewBox: "0 0 18 6", "aria-hidden": "true" },
      drawing("path", { d: "M0 3H18" }),
    );
    return element("li", {}, key, name, this.#values[at] ?? "");
  }

  #listen(): void {
    new ResizeObserver(([entry]) => {
      this.#width = Math.max(120, entry?.contentRect.width ?? 0);
      this.#draw();
    }).observe(this.#svg);
    this.#svg.addEventListener("pointermove", ({ offsetX }) => {
      this.#look(this.#shownMs * (1 - offsetX / this.#width));
    });
    for (const name of ["pointerleave", "blur"]) {
      this.#svg.addEventListener(name, () => this.#look(undefined));
    }
    this.#svg.addEventListener("keydown", (event) => {
      const stepMs = keySteps[event.key];
      if (stepMs === undefined) return;
      event.preventDefault();
      this.#look(Math.min(this.#shownMs, Math.max(0, (this.#agoMs ?? 0) + stepMs)));
    });
  }

  #look(agoMs: number | undefined): void {
    this.#agoMs = agoMs;
    this.#draw();
  }

  #draw(): void {
    const stacks = this.#stacks();
    const seen = stacks.flat().filter((value) => value !== undefined);
    const end = axisEnd(seen, this.#spec.axisEndMin);
    const y = (value: number) => height - bottom - (value / end) * (height - bottom - top);
    const corners = stacks.map((stack) =>
      stack.map((value, at): Corner => (value === undefined ? value : [this.#x(at), y(value)])),
    );
    const floor = this.#points.map((_, at): Corner => [this.#x(at), y(0)]);
    for (const [at, path] of this.#lines.entries()) {
      const seen = corners[at]?.map((corner, index) =>
        this.#adds(at, index) ? corner : undefined,
      );
      path.setAttribute("d", lineThrough(seen ?? []));
    }
    for (const [at, path] of this.#areas.entries()) {
      path.setAttribute("d", areaBetween(corners[at] ?? [], corners[at - 1] ?? floor));
    }
    this.#drawAxes(end, y);
    this.#nothing.hidden = seen.some((value) => value > 0);
    this.#tell();
  }

  /** The values of each line, on top of those below it where lines are stacked. */
  #stacks(): (number | undefined)[][] {
    const { lines, isStacked } = this.#spec;
    let below: readonly (number | undefined)[] = [];
    return lines.map(({ read }) => {
      const values = this.#points.map(({ reading }, at) => {
        const value = reading && read(reading);
        return isStacked === true && value !== undefined ? value + (below[at] ?? 0) : value;
      });
      below = values;
      return values;
    });
  }

  /** Whether a line stands off the one below it: on top of it, it would hide it. */
  #adds(line: number, at: number): boolean {
    if (this.#spec.isStacked !== true || line === 0) return true;
    const read = this.#spec.lines[line]?.read;
    const isAbove = (index: number): boolean => {
      const reading = this.#points[index]?.reading;
      return reading !== undefined && (read?.(reading) ?? 0) > 0;
    };
    return isAbove(at - 1) || isAbove(at) || isAbove(at + 1);
  }

  #x(at: number): number {
    const atMs = this.#points[at]?.atMs ?? 0;
    return this.#width * (1 - (this.#nowMs - atMs) / this.#shownMs);
  }

  #drawAxes(end: number, y: (value: number) => number): void {
    setAttributes(this.#svg, { viewBox: `0 0 ${this.#width} ${height}` });
    for (const { share, rule, label } of this.#ticks) {
      const at = y(end * share);
      setAttributes(rule, { x2: this.#width, y1: at, y2: at });
      setAttributes(label, { y: at + (share === 1 ? 11 : -4) });
      setText(label, share === 0 ? "" : format(end * share, this.#spec.unit));
    }
    const [first, last] = this.#ends;
    if (first !== undefined) {
      setAttributes(first, { x: 0, y: height - 4 });
      setText(first, `${formatAge(Math.round(this.#shownMs / 10_000) * 10_000)} ago`);
    }
    if (last !== undefined)
      setAttributes(last, { x: this.#width, y: height - 4, "text-anchor": "end" });
  }

  /** The values of the moment that the reader looks at, in words as well. */
  #tell(): void {
    const { lines, unit, per, headline = { unit, read: lines[0]?.read } } = this.#spec;
    const point = this.#pointShown();
    const reading = point?.reading;
    const shownOf = (read: LineSpec["read"] | undefined) => reading && read?.(reading);
    const [value, of] = partsOf(shownOf(headline.read), headline.unit);
    this.#headline.replaceChildren(
      value,
      element("small", {}, [of, per].filter(Boolean).join(" ")),
    );
    for (const [at, { read }] of lines.entries()) {
      const target = this.#values[at];
      if (target !== undefined) setText(target, format(shownOf(read), unit));
    }
    const agoMs = this.#agoMs === undefined ? 0 : this.#nowMs - (point?.atMs ?? this.#nowMs);
    const agoSeconds = Math.round(agoMs / 1_000);
    const when = this.#agoMs === undefined ? "" : `${agoSeconds} s ago`;
    setText(this.#moment, when);
    const x = this.#width * (1 - agoMs / this.#shownMs);
    setAttributes(this.#cursor, { x1: x, x2: x, visibility: when === "" ? "hidden" : "visible" });
    const words = lines.map(({ name, read }) => `${name} ${format(shownOf(read), unit)}`);
    setAttributes(this.#svg, {
      "aria-valuemin": -Math.round(this.#shownMs / 1_000),
      "aria-valuenow": -agoSeconds,
      "aria-valuetext": `${when || "now"}: ${words.join(", ")}`,
    });
  }

  #pointShown(): Point | undefined {
    if (this.#agoMs === undefined) return this.#points.at(-1);
    const wantedMs = this.#nowMs - this.#agoMs;
    const distance = (point: Point) => Math.abs(point.atMs - wantedMs);
    return this.#points.reduce<Point | undefined>(
      (best, point) => (best === undefined || distance(point) < distance(best) ? point : best),
      undefined,
    );
  }
}

/** How far the keys go back in time; a slider's own. */
const keySteps: Readonly<Record<string, number>> = {
  ArrowLeft: 1_000,
  ArrowDown: 1_000,
  ArrowRight: -1_000,
  ArrowUp: -1_000,
  PageDown: 30_000,
  PageUp: -30_000,
  Home: windowMs,
  End: -windowMs,
};
