// The results of a batch to look at: a hundred rows at a time, all or only the failed, and one of them in full.

import { figuresOf } from "../artifacts.ts";
import { button, byId, enable, make, onClick } from "../dom.ts";
import { formatCount, formatMs } from "../format.ts";
import { layOutJson } from "../json.ts";
import type { Outcome, OutputFile } from "../api.ts";
import { outcomes, type Tone } from "../outcomes.ts";
import type { ResultStore, ShownRow } from "./store.ts";

const PAGE = 100;
/** Of a cell; the row in full shows the rest. */
const MOST_CHARACTERS = 200;
/** Of a text of the row in full; what is saved has the rest. */
const MOST_SHOWN = 100_000;

export class ResultsTable {
  readonly #part = byId("batch-table");
  readonly #box = byId("batch-box");
  readonly #detail = byId("row-detail");
  readonly #body = make("tbody");
  readonly #first = byId<HTMLButtonElement>("rows-first");
  readonly #before = byId<HTMLButtonElement>("rows-before");
  readonly #behind = byId<HTMLButtonElement>("rows-behind");
  readonly #last = byId<HTMLButtonElement>("rows-last");
  #store: ResultStore | undefined;
  #failedOnly = false;
  #page = 0;
  #pages = 1;
  /** Of the last look; what an older one reads comes too late. */
  #turn = 0;
  /** By the row's number: its line, and what it shows. */
  readonly #lines = new Map<number, { line: HTMLTableRowElement; version: string }>();

  constructor() {
    const names = ["Row", "Status", "Input", "Return value", "Output", "Time"];
    const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
    const table = make("table", { "aria-label": "Results" }, make("thead", {}, head), this.#body);
    this.#box.append(make("div", { class: "table" }, table));
    onClick(this.#first, () => this.#turnTo(0));
    onClick(this.#before, () => this.#turnTo(this.#page - 1));
    onClick(this.#behind, () => this.#turnTo(this.#page + 1));
    onClick(this.#last, () => this.#turnTo(this.#pages - 1));
    this.#part.addEventListener("change", ({ target }) => {
      this.#failedOnly = (target as HTMLInputElement).value === "failed";
      this.#turnTo(0);
    });
    byId("detail-close").addEventListener("click", () => this.#closeDetail());
    this.#detail.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#closeDetail();
    });
  }

  /** Shows these results, from the first on. */
  show(store: ResultStore): void {
    this.#store = store;
    this.#page = 0;
    this.#lines.clear();
    this.#body.replaceChildren();
    this.#detail.hidden = true;
    this.#part.hidden = false;
    void this.refresh();
  }

  /** Shows what has come since. */
  async refresh(): Promise<void> {
    const store = this.#store;
    if (!store) return;
    const turn = ++this.#turn;
    const rows = store.rows(this.#failedOnly ? "failed" : undefined);
    this.#pages = Math.max(1, Math.ceil(rows.length / PAGE));
    this.#page = Math.min(this.#page, this.#pages - 1);
    const from = this.#page * PAGE;
    const window = rows.subarray(from, from + PAGE);
    this.#showPager(from, window.length, rows.length);
    const results = await store.results(window);
    if (turn === this.#turn) this.#showLines(results);
  }

  /** Shows one result in full. */
  showDetail(result: ShownRow, title = `Row ${result.row.toLocaleString("en")}`): void {
    const { text } = wordsOf(result.status);
    byId("detail-title").textContent = `${title}: ${text.toLowerCase()}`;
    const why = [result.error, result.details].filter((part) => part).join(". ");
    const parts: [string, string][] = [
      ["Why", why],
      ["Return value", layOut(result.ret_val ?? "")],
      ["Standard output", result.stdout ?? ""],
      ["Standard error", result.stderr ?? ""],
      ["Input", layOut(result.input)],
      ["Task", result.task_id ?? ""],
    ];
    byId("detail-parts").replaceChildren(
      ...parts.filter(([, text]) => text !== "").flatMap(([name, text]) => partOf(name, text)),
      make("div", { class: "files" }, ...figuresOf((result.files ?? []) as OutputFile[])),
    );
    this.#detail.hidden = false;
    this.#detail.focus({ preventScroll: true });
    this.#detail.scrollIntoView({ block: "nearest" });
  }

  #closeDetail(): void {
    this.#detail.hidden = true;
    const target = this.#part.hidden ? byId("try-row") : this.#box;
    target.focus();
  }

  #turnTo(page: number): void {
    this.#page = page;
    this.#box.scrollTop = 0;
    void this.refresh();
  }

  #showPager(from: number, shown: number, all: number): void {
    const what = this.#failedOnly ? "failed row" : "row";
    const number = (row: number) => row.toLocaleString("en");
    byId("rows-shown").textContent =
      shown === 0
        ? `No ${what}s`
        : `${number(from + 1)}–${number(from + shown)} of ${formatCount(all, what)}`;
    enable(this.#first, this.#page > 0);
    enable(this.#before, this.#page > 0);
    enable(this.#behind, this.#page < this.#pages - 1);
    enable(this.#last, this.#page < this.#pages - 1);
  }

  /** Lines that are there stay, so that the focus does, too. */
  #showLines(results: ShownRow[]): void {
    const wanted = new Set(results.map(({ row }) => row));
    for (const [row, { line }] of this.#lines) {
      if (wanted.has(row)) continue;
      line.remove();
      this.#lines.delete(row);
    }
    results.forEach((result, index) => {
      const version = `${result.status} ${result.task_id}`;
      const there = this.#lines.get(result.row);
      const line = there?.line ?? make("tr");
      if (there?.version !== version) this.#fill(line, result);
      this.#lines.set(result.row, { line, version });
      const at = this.#body.children[index];
      if (at !== line) this.#body.insertBefore(line, at ?? null);
    });
  }

  #fill(line: HTMLTableRowElement, result: ShownRow): void {
    const { row, status, input, ret_val, stdout, stderr, error, wall_ms } = result;
    const { text, tone } = wordsOf(status);
    const show = button(row.toLocaleString("en"), () => this.showDetail(result), {
      "aria-label": `Show row ${row}`,
    });
    // What went wrong is told last on standard error.
    const said = error ?? (status === "success" ? stdout : stderr?.trimEnd().split("\n").at(-1));
    line.replaceChildren(
      make("th", { scope: "row" }, show),
      make("td", { class: "row-status", "data-tone": tone }, text),
      make("td", {}, cut(input)),
      make("td", {}, cut(ret_val ?? "")),
      make("td", {}, cut(said ?? "")),
      make("td", { class: "number" }, wall_ms === undefined ? "" : formatMs(wall_ms)),
    );
  }
}

function wordsOf(status: string): { text: string; tone: Tone } {
  return Object.hasOwn(outcomes, status)
    ? outcomes[status as Outcome]
    : { text: "Not executed", tone: "bad" };
}

function cut(text: string): string {
  const line = text.slice(0, MOST_CHARACTERS + 1).replace(/\s+/g, " ");
  return text.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}…` : line;
}

function layOut(text: string): string {
  return (text.length < MOST_SHOWN ? layOutJson(text) : undefined) ?? text;
}

function partOf(name: string, text: string): HTMLElement[] {
  const cut = text.length > MOST_SHOWN;
  const shown = cut ? `${text.slice(0, MOST_SHOWN)}\n… the rest is in what is saved` : text;
  const attributes = { class: "output wrap", role: "group", "aria-label": name, tabindex: "0" };
  return [make("h5", {}, name), make("pre", attributes, shown)];
}
