// Cells that run one after the other in one session. A notebook has one column, or two after a fork.

import { ApiFailure, type Language, messageOf, runCode, type RunResponse } from "../api.ts";
import { make } from "../dom.ts";
import { failureOf, type Location } from "../links.ts";
import { isGone, type Session, sessions } from "../sessions.ts";
import { apiToken } from "../token.ts";
import { Cell, type CellHost } from "./cell.ts";
import { type Difference, Heads, type Listing } from "./heads.ts";
import { type CellData, newCell, placeOf, type Run } from "./model.ts";

/** What a column keeps. */
export interface ColumnData {
  session?: string;
  cells: CellData[];
  /** The cells that it has in common with the column that it was forked from; they cannot be changed. */
  shared: CellData[];
}

/** What a column asks of the notebook. */
export interface ColumnHost {
  readonly nonce: string;
  readonly language: Language;
  /** How long a cell may run, in ms; undefined for what the server gives. */
  readonly limitMs: number | undefined;
  /** Says something to people, also to those who listen. */
  announce(text: string): void;
  /** Something that is kept has changed. */
  changed(): void;
  /** The session has another state, or there is another session. */
  stateChanged(column: Column): void;
  /** The column has become the one that is worked in. */
  activated(column: Column): void;
  forkAfter(column: Column, cell: Cell): void;
  lost(column: Column, why: string): void;
  tokenWanted(): void;
}

export class Column implements CellHost {
  readonly element = make("div", { class: "column", role: "group" });
  readonly mark: string;
  shared: CellData[];
  readonly #host: ColumnHost;
  readonly #heads = new Heads();
  readonly #list = make("div", { class: "cells" });
  #cells: Cell[] = [];
  #queue: Cell[] = [];
  #running: { cell: Cell; interrupted: boolean; isSent: boolean } | undefined;
  #session: Session | undefined;
  /** Of before the page was loaded; not asked for yet. */
  #kept: string | undefined;
  #opening: Promise<Session | undefined> | undefined;
  /** When the queue is empty. */
  #ended: Promise<void> = Promise.resolve();
  #selected: Cell | undefined;
  /** With where they were. */
  #removed: { data: CellData; at: number }[] = [];

  constructor(data: ColumnData, host: ColumnHost, mark = "") {
    this.#host = host;
    this.mark = mark;
    this.shared = data.shared;
    this.#kept = data.session;
    if (this.shared.length > 0) this.element.append(foldOf(this.shared));
    this.element.append(this.#list);
    const cells = data.cells.length > 0 ? data.cells : [newCell()];
    for (const cell of cells) this.#insert(new Cell(cell, this), this.#cells.length);
    this.select(this.#cells[0] as Cell);
  }

  // What cells ask for.

  get nonce(): string {
    return this.#host.nonce;
  }

  get language(): Language {
    return this.#host.language;
  }

  get session(): string | undefined {
    return this.#session?.id ?? this.#kept;
  }

  get state(): Session | undefined {
    return this.#session;
  }

  get isBusy(): boolean {
    return this.#running !== undefined || this.#queue.length > 0;
  }

  get cells(): readonly Cell[] {
    return this.#cells;
  }

  get selected(): Cell {
    return this.#selected ?? (this.#cells[0] as Cell);
  }

  get data(): ColumnData {
    const id = this.session;
    return {
      ...(id === undefined ? {} : { session: id }),
      cells: this.#cells.map(({ data }) => data),
      shared: this.shared,
    };
  }

  changed(): void {
    this.#host.changed();
  }

  select(cell: Cell): void {
    if (this.#selected !== cell) {
      this.#selected?.setSelected(false);
      this.#selected = cell;
      cell.setSelected(true);
    }
    this.#host.activated(this);
  }

  run(cell: Cell): void {
    if (cell.kind !== "code") {
      cell.focus();
      return;
    }
    if (cell.isBusy || cell.code.trim() === "") return;
    this.#queue.push(cell);
    this.#showQueue();
    if (!this.#running) this.#ended = this.#runQueue();
  }

  runAndGoOn(cell: Cell): void {
    this.run(cell);
    const next = this.#cells[this.#cells.indexOf(cell) + 1];
    if (next) {
      this.select(next);
      next.focus();
    } else {
      this.insertAfter(cell);
    }
  }

  runAndInsert(cell: Cell): void {
    this.run(cell);
    this.insertAfter(cell);
  }

  /** Without a session, those that were shared with another column run, too: their state is gone with it. */
  runAll(): void {
    if (this.session === undefined) this.#unfold();
    for (const cell of this.#cells) if (cell.kind === "code") this.run(cell);
  }

  #unfold(): void {
    const { shared } = this;
    this.shared = [];
    this.element.querySelector(".shared-cells")?.remove();
    shared.forEach((data, index) => this.#insert(new Cell(data, this), index));
    if (shared.length > 0) this.changed();
  }

  isKept(cell: number): boolean {
    return this.#heads.isKept(cell);
  }

  forkHere(cell: Cell): void {
    this.#host.forkAfter(this, cell);
  }

  goTo(location: Location): void {
    const { cell: number } = location;
    const cell = this.#cells.find(
      ({ lastRun }) => lastRun?.number === number && lastRun?.session === this.session,
    );
    const target = cell ?? (number === undefined ? this.selected : undefined);
    if (target) {
      this.select(target);
      target.edit(location);
    } else {
      this.#host.announce(`Cell ${number} is not in this notebook any more`);
    }
  }

  move(cell: Cell, by: -1 | 1): void {
    const from = this.#cells.indexOf(cell);
    const to = from + by;
    if (to < 0 || to >= this.#cells.length) return;
    this.#cells.splice(from, 1);
    this.#cells.splice(to, 0, cell);
    // The neighbour moves, so that frames in the cell are not loaded again and the focus stays.
    const neighbour = this.#cells[from] as Cell;
    if (by > 0) cell.element.before(neighbour.element);
    else cell.element.after(neighbour.element);
    this.#number();
    this.changed();
    this.#host.announce(`Moved to place ${to + 1}`);
  }

  insertAfter(cell: Cell): void {
    this.insert(newCell(), this.#cells.indexOf(cell) + 1).edit();
  }

  insertBefore(cell: Cell): void {
    this.insert(newCell(), this.#cells.indexOf(cell)).edit();
  }

  /** A further cell, which is then the selected one. */
  insert(data: CellData, at: number): Cell {
    const cell = new Cell(data, this);
    this.#insert(cell, at);
    this.select(cell);
    this.changed();
    return cell;
  }

  /** The cell can be brought back. One that is to run, or runs, is not removed. */
  remove(cell: Cell): void {
    if (cell.isBusy) {
      this.#host.announce(`${cell.name} is running; interrupt it first`);
      return;
    }
    const at = this.#cells.indexOf(cell);
    this.#removed.push({ data: cell.data, at });
    this.#cells.splice(at, 1);
    cell.destroy();
    if (this.#cells.length === 0) this.#insert(new Cell(newCell(), this), 0);
    this.#number();
    this.#selected = undefined;
    const next = this.#cells[Math.min(at, this.#cells.length - 1)] as Cell;
    this.select(next);
    next.focus();
    this.changed();
    this.#host.announce("Cell deleted; Z brings it back");
  }

  bringBack(): void {
    const last = this.#removed.pop();
    if (!last) {
      this.#host.announce("No cell was deleted");
      return;
    }
    this.insert(last.data, Math.min(last.at, this.#cells.length)).focus();
  }

  /** Selects the cell before or after the selected one. */
  step(by: -1 | 1): void {
    const next = this.#cells[this.#cells.indexOf(this.selected) + by];
    if (!next) return;
    this.select(next);
    next.focus();
  }

  setLanguage(language: Language): void {
    for (const cell of this.#cells) cell.setLanguage(language);
  }

  // What is done to the session.

  interrupt(): void {
    this.#clearQueue();
    const running = this.#running;
    if (!running) return;
    running.interrupted = true;
    this.#host.announce("Interrupting…");
    const { session } = this;
    // A cell whose session is being opened is not run then.
    if (!this.#session || session === undefined) return;
    void this.#try(async () => {
      if (await sessions.interrupt(session)) return;
      running.interrupted = false;
      if (this.#running === running) {
        this.#host.announce(`${running.cell.name} has not begun yet: interrupt again`);
      }
    });
  }

  /** Takes back what the last cell that was kept, or the last change of a file, did. */
  async stepBack(): Promise<void> {
    const { session } = this;
    if (session === undefined || this.isBusy) return;
    const before = this.#session?.cells;
    const after = await this.#try(() => sessions.undo(session));
    if (!after) return;
    this.#heads.stepBack();
    const gone = this.#cells.filter(
      ({ lastRun }) => lastRun?.session === session && (lastRun.number ?? 0) > after.cells,
    );
    this.#setSession(after);
    for (const cell of gone) cell.stepBack();
    const where = placeOf(after.cells, this.mark);
    const isFile = before === after.cells;
    this.#host.announce(
      isFile ? "Stepped back: the last change of a file" : `Stepped back to ${where}, files too`,
    );
    this.changed();
  }

  /** What a step back would do: to where, and what changes if that is known. */
  get nextStepBack(): { to: string; differences: Difference[] | undefined } | undefined {
    const { previous, differences } = this.#heads;
    if (previous === undefined || this.isBusy) return undefined;
    return { to: placeOf(previous, this.mark), differences };
  }

  /** The variables and files of the session, if there is one and it tells. */
  async list(): Promise<Partial<Listing>> {
    const { session } = this;
    if (session === undefined) return {};
    const before = this.#session;
    const [variables, files] = await Promise.all([
      sessions.variables(session).catch(() => undefined),
      sessions.files(session).catch(() => undefined),
    ]);
    // Else they may be those of another state.
    const isPresent = before === this.#session && !this.#running?.isSent;
    if (variables && files && isPresent) this.#heads.list({ variables, files });
    return { ...(variables ? { variables } : {}), ...(files ? { files } : {}) };
  }

  /** A file of the session was changed, not by a cell. */
  async fileChanged(): Promise<void> {
    await this.check(true);
  }

  async restart(): Promise<void> {
    const { session } = this;
    this.#clearQueue();
    if (session === undefined) return;
    if (this.#running) this.interrupt();
    const after = await this.#try(() => sessions.restart(session));
    if (!after) return;
    // The answer of a cell that ran until then may still be on its way.
    await this.#ended;
    this.#setSession(after);
    for (const cell of this.#cells) {
      if (cell.lastRun?.session === session && cell.lastRun.number !== undefined) cell.stepBack();
    }
    this.#host.announce("Restarted: the session is as it began");
    this.changed();
  }

  /** Another session for these cells; without one, the next cell opens one. */
  attach(session: Session | undefined): void {
    this.#setSession(session);
    this.changed();
  }

  /** The session, which is opened if there is none. Undefined if that failed, which was told then. */
  open(): Promise<Session | undefined> {
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async #open(): Promise<Session | undefined> {
    if (!this.#session && this.#kept !== undefined) await this.check();
    if (this.#session) return this.#session;
    // It may be there: what was asked of it failed for another reason, which was told.
    if (this.#kept !== undefined) return undefined;
    const opened = await this.#try(() => sessions.open(this.language));
    if (opened) this.attach(opened);
    return opened;
  }

  /** Asks whether the session is still there, and how it is, as after a file of it was changed. */
  async check(isFileChanged = false): Promise<void> {
    const { session } = this;
    if (session === undefined) return;
    try {
      const found = await sessions.find(session);
      if (session === this.session) this.#setSession(found, isFileChanged);
    } catch (error) {
      if (session === this.session) this.#fail(error);
    }
  }

  destroy(): void {
    this.#clearQueue();
    for (const cell of this.#cells) cell.destroy();
    this.element.remove();
  }

  // The queue.

  async #runQueue(): Promise<void> {
    for (let cell = this.#queue.shift(); cell; cell = this.#queue.shift()) {
      this.#running = { cell, interrupted: false, isSent: false };
      this.#showQueue();
      await this.#runCell(cell).finally(() => (this.#running = undefined));
      this.changed();
      this.#host.stateChanged(this);
    }
  }

  async #runCell(cell: Cell): Promise<void> {
    const { code } = cell;
    cell.begin();
    const session = await this.open();
    const refuse = (note: string) => {
      cell.outputs.breakOff();
      cell.end({ ending: "refused", session: session?.id ?? "", code, wallMs: 0, note });
      this.#clearQueue();
      this.#host.announce(`${cell.name}: ${note}`);
    };
    if (!session) {
      refuse("Not run: there is no session to run it in.");
      return;
    }
    if (this.#running?.interrupted) {
      refuse("Not run: it was interrupted before it began.");
      return;
    }
    this.#host.stateChanged(this);
    const { language } = this;
    const { limitMs } = this.#host;
    if (this.#running) this.#running.isSent = true;
    cell.send(limitMs);
    const program = {
      language,
      code,
      input: "",
      packages: [],
      timeout: limitMs,
      priority: "normal" as const,
      session: session.id,
    };
    let answer: RunResponse;
    try {
      answer = await runCode(program, apiToken.value, new AbortController().signal, {
        started: () => cell.start(),
        output: (stream, text) => cell.append(stream, text),
        shown: (shown) => cell.show(shown),
        installing: (progress) => cell.setProgress(progress),
      });
    } catch (error) {
      const isRefused = error instanceof ApiFailure && error.status >= 400;
      refuse(
        isRefused
          ? `Not run: ${sentenceOf(error)}`
          : `The connection was lost (${messageOf(error)}). Whether the cell was kept is not known: look at the ` +
              "variables.",
      );
      this.#fail(error, false);
      if (!isRefused) await this.check();
      return;
    }
    cell.outputs.finish(answer, language);
    const run = this.#runOf(answer, code, session.id);
    cell.end(run, answer.output.stderr);
    // At once: what is queued from now on was queued by somebody who saw how this one ended.
    if (run.ending !== "ok") this.#clearQueue();
    this.#host.announce(this.#told(cell, run));
    if (this.#session && run.number !== undefined) {
      this.#session = { ...this.#session, cells: run.number };
    }
    if (this.#running) this.#running.isSent = false;
    await this.check();
    // What a step back changes is told from this; if no cell waits, the panes ask for it.
    if (this.#queue.length > 0) await this.list();
  }

  #runOf({ metadata }: RunResponse, code: string, session: string): Run {
    const { status, session: after, usage, task_id: task } = metadata;
    const common = { session, code, wallMs: usage.wall_ms, task };
    if (after?.state !== "kept") {
      const where = placeOf(after?.cell ?? 0, this.mark);
      const reason = after?.reason;
      return {
        ...common,
        ending: "rolledBack",
        ...(after ? { backTo: after.cell } : {}),
        note: `Rolled back to ${where}, files too.`,
        ...(reason === undefined ? {} : { reason }),
      };
    }
    const number = after.cell;
    if (this.#running?.interrupted && status !== "success") {
      return { ...common, ending: "interrupted", number, note: "Changes so far are kept." };
    }
    return { ...common, ending: status === "success" ? "ok" : "failed", number };
  }

  /** How a cell ended, in a sentence for people who do not see it. */
  #told(cell: Cell, { ending, note, number }: Run): string {
    if (ending === "ok") return `${cell.name} is done`;
    if (ending === "interrupted") return `${cell.name} was interrupted. ${note}`;
    if (ending === "rolledBack") return `${cell.name} was killed. ${note}`;
    const error = cell.outputs.outputs.find((output) => output.kind === "error");
    if (error?.kind !== "error") return `${cell.name} failed`;
    const line = failureOf(error.trace, this.language, number)?.line;
    return `${cell.name} failed: ${error.name}${line === undefined ? "" : `, line ${line}`}`;
  }

  #showQueue(): void {
    this.#queue.forEach((cell, index) => cell.queue(index + (this.#running ? 1 : 0)));
    this.#host.stateChanged(this);
  }

  #clearQueue(): void {
    for (const cell of this.#queue) cell.unqueue();
    this.#queue = [];
  }

  // The session.

  #setSession(session: Session | undefined, isFileChanged = false): void {
    if (session?.id !== this.session) this.#heads.clear();
    if (session) this.#heads.follow(session, isFileChanged);
    this.#session = session;
    this.#kept = undefined;
    for (const cell of this.#cells) cell.render();
    this.#host.stateChanged(this);
  }

  /** Does something with the session. Undefined if that failed, which was told then. */
  async #try<T>(action: () => Promise<T>): Promise<T | undefined> {
    try {
      return await action();
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #fail(error: unknown, isTold = true): void {
    if (isGone(error)) {
      this.#clearQueue();
      this.#setSession(undefined);
      this.#host.lost(this, error.details || error.message);
      this.changed();
    } else if (error instanceof ApiFailure) {
      if (error.status === 401) this.#host.tokenWanted();
      if (isTold) this.#host.announce(sentenceOf(error));
    } else if (isTold) {
      this.#host.announce(`The server cannot be reached: ${messageOf(error)}`);
    }
  }

  // The list.

  #insert(cell: Cell, at: number): void {
    this.#list.insertBefore(cell.element, this.#cells[at]?.element ?? null);
    this.#cells.splice(at, 0, cell);
    this.#number();
  }

  #number(): void {
    this.#cells.forEach((cell, index) => (cell.position = index + 1));
  }
}

function sentenceOf({ message, details }: ApiFailure): string {
  return details === "" ? message : `${message}. ${details}`;
}

/** The cells that a fork has in common with what it was forked from. */
function foldOf(shared: CellData[]): HTMLElement {
  const numbers = shared.flatMap(({ run }) => run?.number ?? []).sort((a, b) => a - b);
  const [first, last] = [numbers[0], numbers.at(-1)];
  const range = first === last ? `[${first}]` : `[${first}]–[${last}]`;
  const cells = shared.map(({ code, run }) =>
    make(
      "div",
      { class: "shared-cell" },
      make("span", { class: "cell-number" }, `[${run?.number ?? " "}]`),
      make("pre", { tabindex: "0", role: "group", "aria-label": `Cell ${run?.number}` }, code),
    ),
  );
  return make(
    "details",
    { class: "shared-cells" },
    make("summary", {}, `${first === undefined ? "Cells" : range} shared`),
    ...cells,
  );
}
