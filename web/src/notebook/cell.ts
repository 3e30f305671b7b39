// One cell: its editor, its state and its outputs.

import type { Progress, Stream, ShownResult } from "../api.ts";
import { button, make } from "../dom.ts";
import { CodeEditor } from "../editor.ts";
import { formatBytes, formatCount, formatMs } from "../format.ts";
import { historyOf } from "../exchange.ts";
import { failureOf, type Location } from "../links.ts";
import type { Language } from "../api.ts";
import { apiToken } from "../token.ts";
import { renderMarkdown } from "./markdown.ts";
import type { CellData, Ending, Run } from "./model.ts";
import { OutputsView } from "./outputs.ts";

/** What a cell asks of the column that it is in. */
export interface CellHost {
  readonly nonce: string;
  readonly language: Language;
  /** The session that runs the column's cells, if it is open. */
  readonly session: string | undefined;
  /** Whether the session can go back to after the cell of this number. */
  isKept(number: number): boolean;
  /** What is behind the number of a cell: ′ in a fork. */
  readonly mark: string;
  run(cell: Cell): void;
  runAndGoOn(cell: Cell): void;
  runAndInsert(cell: Cell): void;
  interrupt(): void;
  forkHere(cell: Cell): void;
  move(cell: Cell, by: -1 | 1): void;
  insertAfter(cell: Cell): void;
  remove(cell: Cell): void;
  select(cell: Cell): void;
  goTo(location: Location): void;
  changed(): void;
}

type Live =
  | { state: "queued"; ahead: number }
  /** For a turn among all programs of the server. */
  | { state: "waiting" }
  | { state: "installing"; progress: Progress }
  | { state: "running"; since: number };

export type CellState = "new" | "edited" | "earlier" | Ending | Live["state"];

/** By its state: a sign, which is not read out, and a word. */
const signs: Record<CellState, [string, string]> = {
  new: ["○", "Not run yet"],
  queued: ["…", "Queued"],
  waiting: ["…", "Waiting for its turn"],
  installing: ["↓", "Installing"],
  running: ["▸", "Running"],
  ok: ["✓", "OK"],
  failed: ["✕", "Failed"],
  interrupted: ["■", "Interrupted"],
  rolledBack: ["↺", "Rolled back"],
  steppedBack: ["↶", "Stepped back"],
  refused: ["!", "Not run"],
  edited: ["✎", "Edited since it ran"],
  earlier: ["◷", "From an earlier session"],
};

export class Cell {
  readonly element: HTMLElement;
  readonly id: string;
  readonly kind: CellData["kind"];
  readonly #host: CellHost;
  /** What is kept of it and not shown. */
  readonly #more: Pick<CellData, "attachments" | "metadata">;
  readonly #editor: CodeEditor;
  readonly #outputs: OutputsView;
  readonly #number = make("span", { class: "cell-number" });
  readonly #dot = make("span", { class: "kept-dot", title: "Kept: can be gone back to" });
  readonly #runButton = make("button", { type: "button", class: "cell-run" });
  readonly #sign = make("span", { class: "cell-sign", "aria-hidden": "true" });
  readonly #word = make("span", { class: "cell-word" });
  readonly #time = make("span", { class: "cell-time" });
  readonly #history = make("a", { class: "cell-history", target: "_blank", rel: "noopener" });
  readonly #notice = make("div", { class: "cell-notice" });
  readonly #rendered = make("div", { class: "rendered" });
  #run: Run | undefined;
  #live: Live | undefined;
  #position = 0;
  #limitMs: number | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(data: CellData, host: CellHost) {
    this.id = data.id;
    this.kind = data.kind;
    this.#host = host;
    const { attachments, metadata } = data;
    this.#more = { ...(attachments ? { attachments } : {}), ...(metadata ? { metadata } : {}) };
    this.#run = data.run;
    this.#outputs = new OutputsView((location) => host.goTo(location));
    this.#outputs.outputs = data.outputs;
    const links = this.kind === "code" ? [this.#history] : [];
    const editorBox = make("div", { class: "cell-editor" });
    this.element = make(
      "section",
      { class: `cell ${this.kind}`, tabindex: "-1" },
      make("div", { class: "gutter" }, this.#runButton, this.#number, this.#dot),
      make(
        "div",
        { class: "cell-body" },
        this.#rendered,
        editorBox,
        make("p", { class: "cell-state" }, this.#sign, this.#word, this.#time, ...links),
        this.#notice,
        this.#outputs.element,
      ),
      this.#actions(),
    );
    this.#editor = new CodeEditor(editorBox, {
      nonce: host.nonce,
      label: "Code",
      keys: {
        "Mod-Enter": () => this.#leaveAnd(() => host.run(this)),
        "Shift-Enter": () => this.#leaveAnd(() => host.runAndGoOn(this)),
        "Alt-Enter": () => this.#leaveAnd(() => host.runAndInsert(this)),
      },
      onEscape: () => this.focus(),
      onChange: () => {
        this.render();
        host.changed();
      },
    });
    if (data.code !== "") this.#editor.load(host.language, data.code);
    this.setLanguage(host.language);
    this.element.classList.toggle("rendering", this.kind === "markdown" && data.code !== "");
    this.#rendered.addEventListener("dblclick", () => this.edit());
    this.#runButton.addEventListener("click", () => {
      if (this.isRunning) host.interrupt();
      else if (!this.isBusy) host.run(this);
    });
    this.element.addEventListener("focusin", () => host.select(this));
    this.element.addEventListener("pointerdown", () => host.select(this));
    this.render();
  }

  get code(): string {
    return this.#editor.text;
  }

  set code(code: string) {
    this.#editor.load(this.#host.language, code);
    this.setLanguage(this.#host.language);
  }

  /** What is known of its last run. */
  get lastRun(): Run | undefined {
    return this.#run;
  }

  /** Whether it is queued or running. */
  get isBusy(): boolean {
    return this.#live !== undefined;
  }

  get isRunning(): boolean {
    return this.#live !== undefined && this.#live.state !== "queued";
  }

  get isEmpty(): boolean {
    return this.code.trim() === "" && this.#outputs.outputs.length === 0;
  }

  get data(): CellData {
    return {
      id: this.id,
      kind: this.kind,
      code: this.code,
      outputs: this.#outputs.outputs,
      ...(this.#run ? { run: this.#run } : {}),
      ...this.#more,
    };
  }

  get state(): CellState {
    if (this.#live) return this.#live.state;
    if (!this.#run) return "new";
    const { ending, session, code } = this.#run;
    if (ending === "refused") return ending;
    if (session !== this.#host.session) return "earlier";
    if (code !== this.code && ending !== "steppedBack" && ending !== "rolledBack") return "edited";
    return ending;
  }

  /** Its name for people: its number in the session, else its place. */
  get name(): string {
    const number = this.#shownNumber;
    return number === undefined ? `Cell ${this.#position}` : `Cell [${number}]`;
  }

  get #shownNumber(): string | undefined {
    const number = this.#run?.number;
    return number === undefined ? undefined : `${number}${this.#host.mark}`;
  }

  set position(position: number) {
    this.#position = position;
    this.render();
  }

  setLanguage(language: Language): void {
    this.#editor.setLanguage(this.kind === "code" ? language : undefined);
  }

  setSelected(on: boolean): void {
    this.element.classList.toggle("selected", on);
    this.element.tabIndex = on ? 0 : -1;
  }

  /** Takes the focus, as a cell and not its editor. */
  focus(): void {
    this.#leaveText();
    this.element.focus({ preventScroll: true });
    this.element.scrollIntoView({ block: "nearest" });
  }

  edit(location?: Location): void {
    this.element.classList.remove("rendering");
    if (location) this.#editor.goTo(location);
    else this.#editor.focus();
  }

  queue(ahead: number): void {
    this.#live = { state: "queued", ahead };
    this.render();
  }

  /** It is not queued any more, and did not run. */
  unqueue(): void {
    this.#live = undefined;
    this.render();
  }

  begin(): void {
    this.#outputs.clear();
    this.#editor.markFailure(undefined);
    this.#run = undefined;
    this.#limitMs = undefined;
    this.#live = { state: "waiting" };
    this.#timer = setInterval(() => this.#showTime(), 100);
    this.render();
  }

  /** It is sent, and may run for so long. */
  send(limitMs: number | undefined): void {
    this.#limitMs = limitMs;
  }

  /** Its turn has come. */
  start(): void {
    this.#live = { state: "running", since: performance.now() };
    this.render();
  }

  append(stream: Stream, text: string): void {
    this.#outputs.append(stream, text);
  }

  show(result: ShownResult): void {
    this.#outputs.show(result);
  }

  setProgress(progress: Progress): void {
    if (progress.stage === "ready") {
      this.start();
      return;
    }
    this.#live = { state: "installing", progress };
    this.render();
  }

  get outputs(): OutputsView {
    return this.#outputs;
  }

  end(run: Run, stderr = ""): void {
    clearInterval(this.#timer);
    this.#live = undefined;
    this.#run = run;
    if (run.ending === "failed" && run.code === this.code) {
      const failure = failureOf(stderr, this.#host.language, run.number);
      this.#editor.markFailure(failure);
    }
    this.render();
  }

  stepBack(): void {
    if (!this.#run) return;
    const { number: _, ...rest } = this.#run;
    this.#run = { ...rest, ending: "steppedBack" };
    this.render();
  }

  destroy(): void {
    clearInterval(this.#timer);
    this.#editor.destroy();
    this.element.remove();
  }

  render(): void {
    const { state } = this;
    const [sign, word] = signs[state];
    const isCode = this.kind === "code";
    this.element.dataset["state"] = isCode ? state : "text";
    const words = this.#live ? this.#liveWords() : word;
    this.#sign.textContent = sign;
    this.#word.textContent = words;
    this.#showTime();
    const number = this.#shownNumber;
    this.#number.textContent = isCode ? `[${this.isBusy ? "*" : (number ?? " ")}]` : "";
    this.#runButton.hidden = !isCode;
    this.#runButton.textContent = this.isRunning ? "■" : "▶";
    this.#runButton.setAttribute("aria-label", this.isRunning ? "Interrupt" : "Run this cell");
    this.#runButton.title = this.isRunning ? "Interrupt (I I)" : "Run this cell (Ctrl ↵)";
    const run = this.#run;
    const isKept =
      run?.number !== undefined &&
      run.session === this.#host.session &&
      this.#host.isKept(run.number);
    this.#dot.hidden = !isKept;
    this.#showHistory();
    const place = `Cell ${this.#position}${number === undefined ? "" : `, number ${number}`}`;
    const kind = isCode ? words.toLowerCase() : "text";
    const kept = isKept ? ", can be gone back to" : "";
    this.element.setAttribute("aria-label", `${place}, ${kind}${kept}`);
    this.#editor.label = `${isCode ? "Code" : "Text"} of cell ${this.#position}`;
    this.#showNotice(state);
    if (this.kind === "markdown") this.#rendered.replaceChildren(renderMarkdown(this.code));
  }

  #liveWords(): string {
    const live = this.#live;
    if (live?.state === "queued")
      return live.ahead === 0 ? "Queued" : `Queued, ${live.ahead} ahead`;
    if (live?.state === "waiting") return "Waiting for its turn…";
    if (live?.state !== "installing") return "Running…";
    const { packages, files, bytes } = live.progress;
    const came = files === 0 ? "" : ` (${formatCount(files, "file")}, ${formatBytes(bytes)})`;
    return `Installing ${packages.join(", ")}…${came}`;
  }

  #showTime(): void {
    const live = this.#live;
    if (live?.state === "running") {
      const s = ((performance.now() - live.since) / 1000).toFixed(1);
      const limit = this.#limitMs;
      this.#time.textContent = limit === undefined ? `${s} s` : `${s} s of ${limit / 1000} s`;
    } else {
      this.#time.textContent = this.#run && !live ? formatMs(this.#run.wallMs) : "";
    }
  }

  #showHistory(): void {
    const task = this.#run?.task;
    // A link cannot carry the token.
    this.#history.hidden = task === undefined || this.#live !== undefined || apiToken.value !== "";
    if (task === undefined) return;
    this.#history.textContent = "History";
    this.#history.href = historyOf(task);
    this.#history.title = task;
    this.#history.setAttribute("aria-label", `History of cell ${this.#position}`);
  }

  #showNotice(state: CellState): void {
    const { note, reason } = this.#run ?? {};
    const isTold = state === "rolledBack" || state === "refused" || state === "interrupted";
    this.#notice.hidden = !isTold || note === undefined;
    const shown = `${state} ${note} ${reason}`;
    if (this.#notice.hidden || this.#notice.dataset["note"] === shown) return;
    this.#notice.dataset["note"] = shown;
    const buttons = make("span", { class: "notice-actions" });
    if (state !== "interrupted") {
      buttons.append(button("Run again", () => this.#host.run(this)));
    }
    if (state === "rolledBack") {
      buttons.append(button("Fork here", () => this.#host.forkHere(this)));
    }
    this.#notice.replaceChildren(
      make("span", {}, note ?? "", reason === undefined ? "" : ` Why: ${reason}.`),
      buttons,
    );
  }

  #actions(): HTMLElement {
    const host = this.#host;
    const action = (text: string, name: string, key: string, what: () => void) =>
      button(text, what, { "aria-label": name, title: key === "" ? name : `${name} (${key})` });
    return make(
      "div",
      { class: "cell-actions", role: "group", "aria-label": "Actions of the cell" },
      action("↑", "Move up", "", () => host.move(this, -1)),
      action("↓", "Move down", "", () => host.move(this, 1)),
      action("+", "Insert below", "B", () => host.insertAfter(this)),
      ...(this.kind === "code"
        ? [action("Fork", "Fork after this cell", "F", () => host.forkHere(this))]
        : []),
      action("✕", "Delete the cell", "D D", () => host.remove(this)),
    );
  }

  #leaveAnd(action: () => void): void {
    this.#editor.closeLists();
    this.#leaveText();
    action();
  }

  #leaveText(): void {
    if (this.kind === "markdown" && this.code.trim() !== "")
      this.element.classList.add("rendering");
  }
}
