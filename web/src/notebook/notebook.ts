// The notebook: one column of cells, or two after a fork; the bar above it; its keys; what the browser keeps of it.

import { type Language, messageOf } from "../api.ts";
import { button, byId, enable, make, onClick } from "../dom.ts";
import { examples } from "../examples.ts";
import { offerLanguages } from "../languages.ts";
import { saveFile } from "../save.ts";
import { isGone, type Session, sessions } from "../sessions.ts";
import { browserStore, readKept } from "../storage.ts";
import { tokenForm } from "../tokenform.ts";
import type { Cell } from "./cell.ts";
import { Column, type ColumnData, type ColumnHost } from "./column.ts";
import { readNotebook, writeNotebook } from "./ipynb.ts";
import { type CellData, newCell, placeOf } from "./model.ts";
import type { Difference } from "./heads.ts";
import { Panes, type PanesHost } from "./panes.ts";

const KEY = "faas.notebook";
const SAVE_AFTER_MS = 300;
/** That the preview of a step back lists. */
const MOST_CHANGES = 12;

/** What the browser keeps, written by this page only. */
interface Kept {
  language: Language;
  columns: ColumnData[];
  metadata?: Record<string, unknown>;
  /** The time limit of a cell as it was typed, in s. */
  limit?: string;
}

export class Notebook implements ColumnHost, PanesHost {
  readonly nonce: string;
  readonly #box = byId("columns");
  readonly #bar = byId("notebook-bar");
  readonly #status = byId("notebook-status");
  readonly #languages = byId<HTMLSelectElement>("notebook-language");
  readonly #examples = byId<HTMLSelectElement>("notebook-examples");
  readonly #wrap = byId<HTMLInputElement>("wrap-cells");
  readonly #back = byId<HTMLDialogElement>("back");
  readonly #limit = byId<HTMLInputElement>("cell-limit");
  readonly #interrupt = byId<HTMLButtonElement>("interrupt");
  readonly #stepBack = byId<HTMLButtonElement>("step-back");
  readonly #restart = byId<HTMLButtonElement>("restart");
  readonly #fork = byId<HTMLButtonElement>("fork");
  readonly #panesButton = byId<HTMLButtonElement>("panes-button");
  readonly #panesBox = byId("panes");
  readonly #panes: Panes;
  columns: Column[] = [];
  #active: Column | undefined;
  #metadata: Record<string, unknown> = {};
  /** That of the cells, while another is chosen. */
  #language: Language = "python";
  #saveTimer: ReturnType<typeof setTimeout> | undefined;
  #refreshTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether people know that not all is kept. */
  #isTold = false;
  /** The last key on a cell: D D deletes it. */
  #lastKey = "";
  #isForking = false;

  constructor(nonce: string) {
    this.nonce = nonce;
    this.#panes = new Panes(this);
    offerLanguages(this.#languages);
    const kept = readKept(browserStore, KEY) as Kept | undefined;
    this.#languages.value = kept?.language ?? "python";
    this.#language = this.language;
    this.#limit.value = kept?.limit ?? this.#limit.value;
    this.#listExamples();
    const nothing = [{ cells: [], shared: [] }];
    try {
      this.#load(kept?.columns?.length ? kept.columns : nothing, kept?.metadata);
    } catch {
      // What was kept cannot be shown: the page works all the same.
      this.#load(nothing);
    }
    this.#listen();
    void this.checkSessions();
  }

  get language(): Language {
    return this.#languages.value as Language;
  }

  get limitMs(): number | undefined {
    const { value, validity, valueAsNumber } = this.#limit;
    return value === "" || !validity.valid ? undefined : valueAsNumber * 1000;
  }

  get active(): Column {
    return this.#active ?? (this.columns[0] as Column);
  }

  runSelected(): void {
    this.active.run(this.active.selected);
  }

  /** Asks whether the sessions are still there, as after the server was away. */
  async checkSessions(): Promise<void> {
    await Promise.all(this.columns.map((column) => column.check()));
    this.#refreshPanes();
  }

  // What columns and panes tell.

  announce(text: string): void {
    this.#status.textContent = text;
  }

  changed(): void {
    clearTimeout(this.#saveTimer);
    this.#saveTimer = setTimeout(() => this.#save(), SAVE_AFTER_MS);
  }

  stateChanged(column: Column): void {
    if (column !== this.#active) return;
    this.#showControls();
    this.#refreshPanes();
  }

  activated(column: Column): void {
    if (this.#active === column) return;
    this.#active = column;
    this.#showColumns();
    this.#showControls();
    this.#refreshPanes();
  }

  lost(column: Column, why: string): void {
    const again = button(
      "Run all",
      () => {
        this.#hideBar();
        column.runAll();
        column.selected.focus();
      },
      { class: "run" },
    );
    const text = `The session is lost. ${why}. The outputs are kept and marked.`;
    this.#showBar(text, again, this.#dismissal(column));
    this.announce(text);
  }

  tokenWanted(): void {
    const [field, use] = tokenForm(() => {
      this.#hideBar();
      this.announce("The token is kept until this tab closes. Run the cell again.");
      this.active.selected.focus();
      void this.checkSessions();
    });
    this.#showBar("This server wants its API token.", field, use);
    field.focus();
  }

  use(session: Session): void {
    if (this.#refusesWhileRunning()) return;
    this.#languages.value = this.#isSameEngine(session.language) ? this.language : session.language;
    this.#setLanguage();
    this.active.attach(session);
    this.#hideBar();
    this.announce("The next cell goes on in that session");
  }

  async begin(): Promise<void> {
    if (this.#refusesWhileRunning()) return;
    this.active.attach(undefined);
    this.#hideBar();
    if (await this.active.open()) this.announce("The next cell goes on in a new session");
  }

  /** Opens a second column that goes on from where the session was after a cell. */
  forkAfter(column: Column, cell: Cell): void {
    if (this.#isForking) return;
    this.#isForking = true;
    void this.#forkAfter(column, cell)
      .catch((error: unknown) => {
        if (isGone(error)) void column.check();
        else this.announce(`Not forked: ${messageOf(error)}`);
      })
      .finally(() => (this.#isForking = false));
  }

  async #forkAfter(column: Column, cell: Cell): Promise<void> {
    const { session, state } = column;
    if (this.columns.length > 1) {
      this.announce("There is a fork already: keep one of the two first");
      return;
    }
    if (session === undefined || !state || state.cells === 0) {
      this.announce("There is nothing to fork yet: run a cell first");
      return;
    }
    const run = cell.lastRun?.session === session ? cell.lastRun : undefined;
    const wanted = run?.number ?? run?.backTo ?? state.cells;
    let forked = await sessions.fork(session);
    while (forked.cells > wanted && forked.undo_steps > 0) forked = await sessions.undo(forked.id);
    const isThere = this.columns.includes(column);
    if (!isThere || forked.cells > wanted) {
      await sessions.end(forked.id);
      if (isThere) this.announce(`The session cannot go back to ${placeOf(wanted)} any more`);
      return;
    }
    const shared = column.cells
      .map(({ data }) => ({ ...data, code: data.run?.code ?? data.code }))
      .filter(({ run }) => run?.session === session && (run.number ?? Infinity) <= forked.cells);
    const cells = run?.ending === "rolledBack" ? [newCell(cell.code)] : [newCell()];
    const fork = new Column({ cells, shared, session: forked.id }, this, "′");
    fork.attach(forked);
    this.columns.push(fork);
    this.#active = undefined;
    this.activated(fork);
    fork.selected.focus();
    this.announce(`Forked from ${placeOf(forked.cells)}: both go on by themselves`);
    this.changed();
  }

  /** Ends the session of the other column, and has this one be the notebook. */
  #keep(kept: Column): void {
    if (this.#refusesWhileRunning()) return;
    const { session } = kept;
    const other = this.columns.find((column) => column !== kept);
    const ended = other?.session;
    const ofShared = ({ run, ...cell }: CellData): CellData =>
      run && session !== undefined ? { ...cell, run: { ...run, session } } : cell;
    const before = this.#kept;
    const data = kept.data;
    const cells = [...data.shared.map(ofShared), ...data.cells];
    const { state } = kept;
    this.#load([{ ...data, cells, shared: [] }], this.#metadata);
    if (state) this.active.attach(state);
    this.active.selected.focus();
    if (ended !== undefined) {
      void sessions
        .end(ended)
        .catch(() => {})
        .then(() => this.#refreshPanes());
    }
    this.#offerBack(before, "The cells of the other column are gone, and its session is ended.");
    this.announce("Kept; the other session is ended");
    this.changed();
  }

  // The columns.

  #load(columns: ColumnData[], metadata: Record<string, unknown> = {}): void {
    // One that cannot be shown leaves what is there.
    const made = columns.map((data, index) => new Column(data, this, index === 0 ? "" : "′"));
    for (const column of this.columns) column.destroy();
    this.#metadata = metadata;
    this.columns = made;
    this.#active = made[0];
    this.#showColumns();
    this.#showControls();
  }

  #showColumns(): void {
    const isForked = this.columns.length > 1;
    this.#box.classList.toggle("forked", isForked);
    this.#box.querySelectorAll(".column-head").forEach((head) => head.remove());
    for (const [index, column] of this.columns.entries()) {
      const name = index === 0 ? "Original" : "Fork";
      column.element.setAttribute("aria-label", isForked ? name : "Cells");
      column.element.classList.toggle("active", column === this.#active);
      if (isForked) column.element.prepend(this.#headOf(column, name));
      if (column.element.parentElement !== this.#box) this.#box.append(column.element);
    }
    const tabs = byId("fork-tabs");
    tabs.hidden = !isForked;
    tabs.replaceChildren(
      ...this.columns.map((column, index) => {
        const tab = button(
          index === 0 ? "Original" : "Fork",
          () => {
            this.activated(column);
            column.selected.focus();
          },
          { class: "quiet", "aria-pressed": String(column === this.#active) },
        );
        return tab;
      }),
    );
  }

  #headOf(column: Column, name: string): HTMLElement {
    const label = `Keep this one: ${name.toLowerCase()}`;
    const keep = button("Keep this one", () => this.#keep(column), { "aria-label": label });
    return make("div", { class: "column-head" }, make("h3", {}, name), keep);
  }

  #showControls(): void {
    const { state, isBusy } = this.active;
    enable(this.#interrupt, isBusy);
    enable(this.#stepBack, !isBusy && (state?.undo_steps ?? 0) > 0);
    enable(this.#restart, state !== undefined);
    enable(this.#fork, (state?.cells ?? 0) > 0 && this.columns.length === 1);
    this.#stepBack.title =
      state && state.undo_steps > 0
        ? `Step back: undo the last cell, ${state.undo_steps} can be undone (U)`
        : "Step back: nothing can be undone";
  }

  // What people do.

  #listen(): void {
    const on = (id: string, action: () => void) => byId(id).addEventListener("click", action);
    on("run-cell", () => this.runSelected());
    on("run-all", () => this.active.runAll());
    on("add-cell", () => this.active.insertAfter(this.active.selected));
    on("add-text", () => this.#addText());
    on("save-notebook", () => this.#saveFile());
    on("open-notebook", () => byId("open-file").click());
    on("new-notebook", () => this.#replace([], this.language, {}));
    on("keys-button", () => byId<HTMLDialogElement>("keys").showModal());
    on("keys-close", () => byId<HTMLDialogElement>("keys").close());
    on("panes-close", () => this.#showPanes(false));
    this.#panesButton.addEventListener("click", () => this.#showPanes());
    onClick(this.#interrupt, () => this.active.interrupt());
    onClick(this.#stepBack, () => void this.#previewStepBack());
    on("back-cancel", () => this.#back.close());
    on("back-go", () => {
      this.#back.close();
      void this.active.stepBack();
    });
    this.#limit.addEventListener("input", () => this.changed());
    this.#wrap.addEventListener("change", () => {
      this.#box.classList.toggle("unwrapped", !this.#wrap.checked);
    });
    onClick(this.#restart, () => void this.active.restart());
    onClick(this.#fork, () => this.forkAfter(this.active, this.active.selected));
    this.#languages.addEventListener("change", () => this.#switchLanguage());
    byId("insert-example").addEventListener("click", () => this.#insertExample());
    byId("open-file").addEventListener("change", (event) => void this.#openFile(event));
    this.#box.addEventListener("keydown", (event) => this.#onKey(event));
    this.#panesBox.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#showPanes(false);
    });
    // Only what has changed: another tab may have kept something newer.
    addEventListener("pagehide", () => this.#saveTimer !== undefined && this.#save());
    this.#box.addEventListener("focusin", (event) => {
      if (!(event.target as HTMLElement).classList.contains("cell")) this.#lastKey = "";
    });
  }

  /** Keys on a cell, while its editor does not have the focus. */
  #onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (!target.classList.contains("cell")) return;
    const { active } = this;
    const cell = active.selected;
    if (event.key === "Enter" && !event.metaKey) {
      event.preventDefault();
      this.#lastKey = "";
      if (event.ctrlKey) active.run(cell);
      else if (event.shiftKey) active.runAndGoOn(cell);
      else if (event.altKey) active.runAndInsert(cell);
      else cell.edit();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // A key that is held moves, and does nothing else again and again.
    if (event.repeat && !/^(?:Arrow.*|[jk])$/.test(key)) return;
    const isTwice = this.#lastKey === key;
    const actions: Record<string, () => void> = {
      ArrowUp: () => active.step(-1),
      ArrowDown: () => active.step(1),
      k: () => active.step(-1),
      j: () => active.step(1),
      a: () => active.insertBefore(cell),
      b: () => active.insertAfter(cell),
      z: () => active.bringBack(),
      u: () => void this.#previewStepBack(),
      f: () => this.forkAfter(active, cell),
      "?": () => byId<HTMLDialogElement>("keys").showModal(),
      d: () => isTwice && active.remove(cell),
      i: () => isTwice && active.interrupt(),
    };
    const action = Object.hasOwn(actions, key) ? actions[key] : undefined;
    this.#lastKey = isTwice ? "" : key;
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** Asks whether to step back, and says what that changes. */
  async #previewStepBack(): Promise<void> {
    const { active } = this;
    await active.list();
    const next = active.nextStepBack;
    if (!next || active !== this.active || this.#back.open) {
      if (!next) this.announce("There is nothing to step back from");
      return;
    }
    const { to, differences } = next;
    byId("back-title").textContent = `Step back to ${to}?`;
    byId("back-changes").replaceChildren(changesOf(differences));
    this.#back.showModal();
    byId("back-go").focus();
  }

  #addText(): void {
    const { active } = this;
    const at = active.cells.indexOf(active.selected) + 1;
    active.insert(newCell("", "markdown"), at).edit();
  }

  #showPanes(on = !document.body.classList.contains("panes-open")): void {
    document.body.classList.toggle("panes-open", on);
    this.#panesButton.setAttribute("aria-expanded", String(on));
    if (on) byId("panes-close").focus();
    else this.#panesButton.focus();
    this.#refreshPanes();
  }

  #refreshPanes(): void {
    clearTimeout(this.#refreshTimer);
    this.#refreshTimer = setTimeout(() => {
      if (document.body.dataset["mode"] === "notebook") void this.#panes.refresh();
    }, 150);
  }

  // Languages and examples.

  #isSameEngine(language: Language): boolean {
    return (this.language === "python") === (language === "python");
  }

  #setLanguage(): void {
    this.#language = this.language;
    for (const column of this.columns) column.setLanguage(this.language);
    this.#listExamples();
  }

  #switchLanguage(): void {
    if (this.#refusesWhileRunning()) {
      this.#languages.value = this.#language;
      return;
    }
    this.#setLanguage();
    for (const column of this.columns) {
      const used = column.state?.language;
      if (used && !this.#isSameEngine(used)) column.attach(undefined);
    }
    this.announce(`Cells are ${this.#languages.selectedOptions[0]?.text} now`);
    this.changed();
  }

  #listExamples(): void {
    // Those with an input are for programs: cells have what the cells before them left.
    const options = examples.flatMap(({ language, title, input }, index) =>
      language === this.language && input === undefined
        ? [make("option", { value: String(index) }, title)]
        : [],
    );
    this.#examples.replaceChildren(...options);
  }

  #insertExample(): void {
    const example = examples[Number(this.#examples.value)];
    if (!example) return;
    const { active } = this;
    const { selected } = active;
    if (selected.isEmpty && selected.kind === "code") selected.code = example.code;
    else active.insert(newCell(example.code), active.cells.indexOf(selected) + 1);
    active.selected.focus();
    this.announce(`Inserted “${example.title}”`);
    this.changed();
  }

  // Files.

  #saveFile(): void {
    const cells = this.active.data;
    const file = {
      language: this.language,
      cells: [...cells.shared, ...cells.cells],
      metadata: this.#metadata,
    };
    saveFile("notebook.ipynb", writeNotebook(file));
    this.announce("Saved notebook.ipynb");
  }

  async #openFile(event: Event): Promise<void> {
    const field = event.target as HTMLInputElement;
    const file = field.files?.[0];
    field.value = "";
    if (!file) return;
    try {
      const { language, cells, metadata } = readNotebook(await file.text());
      this.#replace(cells, language, metadata);
      this.announce(`Opened ${file.name}`);
    } catch (error) {
      const text = `${file.name} was not opened. ${messageOf(error)}`;
      this.#showBar(text, this.#dismissal(this.active));
      this.announce(text);
    }
  }

  /** Shows other cells in the place of those that are there, which can be put back. */
  #replace(cells: CellData[], language: Language, metadata: Record<string, unknown>): void {
    if (this.#refusesWhileRunning()) return;
    const before = this.#kept;
    const isLoss = this.columns.some((column) => !column.cells.every(({ isEmpty }) => isEmpty));
    this.#languages.value = language;
    this.#load([{ cells, shared: [] }], metadata);
    this.#setLanguage();
    this.#hideBar();
    if (isLoss)
      this.#offerBack(before, "Another notebook took the place of the one that was here.");
    this.active.selected.focus();
    this.announce("A new notebook");
    this.changed();
    this.#refreshPanes();
  }

  /** Says what is gone, which can be put back. */
  #offerBack(before: Kept, text: string): void {
    const putBack = button("Put back", () => {
      if (this.#refusesWhileRunning()) return;
      this.#languages.value = before.language;
      this.#load(before.columns, before.metadata);
      this.#setLanguage();
      this.#hideBar();
      void this.checkSessions();
      this.active.selected.focus();
    });
    this.#showBar(text, putBack, this.#dismissal(this.active));
  }

  #refusesWhileRunning(): boolean {
    const isBusy = this.columns.some((column) => column.isBusy);
    if (isBusy) this.announce("A cell is running: interrupt it first");
    return isBusy;
  }

  // The bar above the cells.

  #showBar(text: string, ...controls: HTMLElement[]): void {
    this.#bar.replaceChildren(
      make("span", {}, text),
      make("span", { class: "notice-actions" }, ...controls),
    );
    this.#bar.hidden = false;
  }

  #dismissal(column: Column): HTMLElement {
    return button("Dismiss", () => {
      this.#hideBar();
      column.selected.focus();
    });
  }

  #hideBar(): void {
    this.#bar.hidden = true;
  }

  // What the browser keeps.

  get #kept(): Kept {
    const columns = this.columns.map(({ data }) => data);
    const { language } = this;
    return { language, columns, metadata: this.#metadata, limit: this.#limit.value };
  }

  #save(): void {
    clearTimeout(this.#saveTimer);
    this.#saveTimer = undefined;
    const kept = this.#kept;
    if (browserStore.set(KEY, JSON.stringify(kept))) return;
    const bare = kept.columns.map((column) => ({
      ...column,
      cells: column.cells.map((cell) => ({ ...cell, outputs: [] })),
    }));
    const isKept = browserStore.set(KEY, JSON.stringify({ ...kept, columns: bare }));
    if (this.#isTold) return;
    this.#isTold = true;
    const why = isKept
      ? "The outputs are too large for the browser to keep"
      : "The browser keeps nothing of this notebook";
    this.announce(`${why}: save it as a file`);
  }
}

function changesOf(differences: Difference[] | undefined): HTMLElement {
  if (!differences) {
    const why = "What changes is not known: the page has not seen the session as it was there.";
    return make("p", {}, why);
  }
  if (differences.length === 0)
    return make("p", {}, "No variable and no file looks different there.");
  const shown = differences
    .slice(0, MOST_CHANGES)
    .map(({ name, what, now, then }) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, make("bdi", {}, name)),
        make("td", {}, what),
        make("td", {}, make("bdi", {}, now.slice(0, 80))),
        make("td", {}, what === "goes" ? "" : "→ ", make("bdi", {}, then.slice(0, 80))),
      ),
    );
  const more = differences.length - shown.length;
  return make(
    "div",
    {},
    make("table", { "aria-label": "What changes" }, make("tbody", {}, ...shown)),
    ...(more > 0 ? [make("p", { class: "note" }, `and ${more.toLocaleString("en")} more`)] : []),
  );
}
