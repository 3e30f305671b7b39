// A table to look at: sorted by a click on a column's name, a hundred rows at first, saved as CSV.

import { button, make } from "./dom.ts";
import { formatCount } from "./format.ts";
import { saveFile } from "./save.ts";
import {
  type Column,
  type Order,
  type Row,
  sortRows,
  type Table,
  textOf,
  toCsv,
  valueOf,
} from "./tabledata.ts";

const FIRST_ROWS = 100;
/** More than these take a browser seconds. */
const MOST_COLUMNS = 200;
const MOST_CELLS_AT_ONCE = 40_000;
const MOST_CHARACTERS = 500;

export function tableOf(table: Table, name: string): HTMLElement {
  return new TableView(table, name).element;
}

class TableView {
  readonly element: HTMLElement;
  readonly #table: Table;
  readonly #columns: Column[];
  readonly #heads = new Map<Column, HTMLElement>();
  readonly #body = make("tbody");
  readonly #more = button("", () => this.#showMore());
  #order: Order | undefined;
  #sorted: Row[];
  #shown = 0;

  constructor(table: Table, name: string) {
    this.#table = table;
    this.#sorted = table.rows;
    this.#columns = table.columns.slice(0, MOST_COLUMNS);
    for (const column of this.#columns) this.#heads.set(column, this.#headOf(column));
    const save = button("Save CSV", () => saveFile("table.csv", toCsv(table)));
    const head = make("thead", {}, make("tr", {}, ...this.#heads.values()));
    const box = make(
      "div",
      { class: "table-box", role: "group", "aria-label": name, tabindex: "0" },
      make("table", { "aria-label": name }, head, this.#body),
    );
    this.element = make(
      "div",
      { class: "table" },
      make("div", { class: "table-bar" }, make("span", { class: "note" }, this.#size()), save),
      box,
      this.#more,
    );
    this.#add(FIRST_ROWS);
  }

  /** How large the table is, and how much of it came. */
  #size(): string {
    const { columns, rows, total } = this.#table;
    const size = `${formatCount(total, "row")} × ${formatCount(columns.length, "column")}`;
    const cut = [
      total > rows.length ? `the first ${formatCount(rows.length, "row")} came` : "",
      columns.length > MOST_COLUMNS ? `${MOST_COLUMNS} columns are shown, all are in the CSV` : "",
    ];
    return [size, ...cut].filter((part) => part !== "").join(", ");
  }

  #headOf(column: Column): HTMLElement {
    const sort = make(
      "button",
      { type: "button" },
      make("bdi", {}, cut(column.name)),
      make("small", {}, column.type),
    );
    sort.addEventListener("click", () => this.#sortBy(column));
    const head = make("th", { scope: "col", "aria-sort": "none" }, sort);
    head.classList.toggle("number", isNumber(column));
    return head;
  }

  /** Ascending, descending, as it came. */
  #sortBy(column: Column): void {
    const before = this.#order?.column === column.name ? this.#order : undefined;
    if (before?.descending) this.#order = undefined;
    else this.#order = { column: column.name, descending: before !== undefined };
    for (const [other, head] of this.#heads) {
      const direction = this.#order?.descending ? "descending" : "ascending";
      head.setAttribute("aria-sort", other === column && this.#order ? direction : "none");
    }
    const { rows } = this.#table;
    this.#sorted = this.#order ? sortRows(rows, this.#order) : rows;
    const shown = this.#shown;
    this.#shown = 0;
    this.#body.replaceChildren();
    this.#add(Math.min(shown, this.#atOnce()));
  }

  #atOnce(): number {
    return Math.max(FIRST_ROWS, Math.floor(MOST_CELLS_AT_ONCE / this.#columns.length));
  }

  #showMore(): void {
    const first = this.#shown;
    this.#add(this.#atOnce());
    // The button may be gone, and what came begins here.
    const row = this.#body.rows[first];
    row?.setAttribute("tabindex", "-1");
    row?.focus();
  }

  #add(count: number): void {
    const rows = this.#sorted.slice(this.#shown, this.#shown + count);
    this.#shown += rows.length;
    const lines = document.createDocumentFragment();
    for (const row of rows) lines.append(this.#lineOf(row));
    this.#body.append(lines);
    const all = this.#sorted.length;
    const left = all - this.#shown;
    this.#more.hidden = left === 0;
    this.#more.textContent =
      left <= this.#atOnce()
        ? `Show all ${formatCount(all, "row")}`
        : `Show ${formatCount(this.#atOnce(), "more row")}`;
  }

  #lineOf(row: Row): HTMLElement {
    const line = make("tr");
    for (const column of this.#columns) {
      const value = valueOf(row, column.name);
      const cell = column.isKey
        ? make("th", { scope: "row" }, legible(value, column))
        : make("td", {}, legible(value, column));
      const isRight = typeof value === "number" || (value === null && isNumber(column));
      cell.classList.toggle("number", isRight);
      cell.classList.toggle("null", value === null);
      line.append(cell);
    }
    return line;
  }
}

function isNumber({ type }: Column): boolean {
  return type === "integer" || type === "number";
}

/** The text of a cell for people: no null is empty, a time without the zeros that pandas adds. */
function legible(value: unknown, column: Column): string {
  if (value === null) return "null";
  const text = textOf(value);
  if (column.type !== "datetime") return cut(text);
  return cut(text.replace("T", " ").replace(/\.000(?=Z?$)/, ""));
}

function cut(text: string): string {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}
