import { element, setAttributes, setText } from "./element.js";

/** How well something is, where a word is set off by colour. */
export type Level = "good" | "warn" | "bad";

/** A cell: its text, and how it looks. */
export type Cell = string | { readonly text: string; readonly level: Level };

export interface Column {
  readonly title: string;
  /** Words stand left and may take several lines; numbers stand right. */
  readonly isWords?: boolean;
}

export interface Row {
  /** Tells it from other rows. */
  readonly key: string;
  readonly title: string;
  readonly subtitle?: string;
  /** One for each column but the first. */
  readonly cells: readonly Cell[];
}

/** A table that is shown again and again: rows and words that stay the same are left alone. */
export class DataTable {
  readonly root: HTMLElement;
  readonly #columns: readonly Column[];
  readonly #scroll: HTMLElement;
  readonly #body = element("tbody");
  readonly #empty: HTMLElement;
  readonly #rows = new Map<string, HTMLTableRowElement>();

  constructor(label: string, columns: readonly Column[], empty: string) {
    this.#columns = columns;
    const titles = columns.map(({ title, isWords }) =>
      element("th", { scope: "col", ...(isWords === true && { class: "words" }) }, title),
    );
    const head = element("thead", {}, element("tr", {}, ...titles));
    // Whoever has no pointer scrolls a wide table with the keyboard.
    const attributes = { class: "scroll", tabindex: 0, role: "region", "aria-label": label };
    this.#scroll = element("div", attributes, element("table", {}, head, this.#body));
    this.#empty = element("p", { class: "empty" }, empty);
    this.root = element("div", {}, this.#scroll, this.#empty);
  }

  show(rows: readonly Row[]): void {
    this.#scroll.hidden = rows.length === 0;
    this.#empty.hidden = rows.length > 0;
    const wanted = new Set(rows.map(({ key }) => key));
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    for (const [at, row] of rows.entries()) this.#showRow(row, at);
  }

  #showRow({ key, title, subtitle = "", cells }: Row, at: number): void {
    const row = this.#rows.get(key) ?? this.#createRow();
    this.#rows.set(key, row);
    if (this.#body.children[at] !== row)
      this.#body.insertBefore(row, this.#body.children[at] ?? null);
    const [head, ...rest] = row.children;
    const [name, small] = head?.children ?? [];
    if (name !== undefined) setText(name, title);
    if (small !== undefined) setText(small, subtitle);
    for (const [index, target] of rest.entries()) showCell(target, cells[index] ?? "");
  }

  #createRow(): HTMLTableRowElement {
    const [, ...columns] = this.#columns;
    const head = element(
      "th",
      { scope: "row" },
      element("span"),
      element("small", { class: "subtitle" }),
    );
    const cells = columns.map(({ isWords }) =>
      element("td", isWords === true ? { class: "words" } : {}, element("span")),
    );
    return element("tr", {}, head, ...cells);
  }
}

function showCell(target: Element, cell: Cell): void {
  const [span] = target.children;
  if (span === undefined) return;
  setText(span, typeof cell === "string" ? cell : cell.text);
  if (typeof cell === "string") span.removeAttribute("class");
  else setAttributes(span, { class: "badge", "data-level": cell.level });
}
