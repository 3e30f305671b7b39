// A batch: rows from a file, a program for each of them, and what came of it.

import { ApiFailure, type Language, messageOf } from "../api.ts";
import { byId, enable, make, onClick } from "../dom.ts";
import { CodeEditor } from "../editor.ts";
import ordersCsv from "../examples/orders.csv?text";
import ordersJs from "../examples/orders.js?text";
import ordersPy from "../examples/orders.py?text";
import { formatBytes, formatCount, formatLong } from "../format.ts";
import { isLanguage, offerLanguages } from "../languages.ts";
import type { Tone } from "../outcomes.ts";
import { saveFile } from "../save.ts";
import { readKept, tabStore } from "../storage.ts";
import { tokenForm } from "../tokenform.ts";
import { ResultsTable } from "./results.ts";
import { inputOf, readRows, type Row, type Source, survey } from "./rows.ts";
import { type Batch, CannotGoOn, checkSetup, runBatch, tryRow } from "./run.ts";
import { ResultStore } from "./store.ts";

const KEY = "faas.batch";
const REFRESH_MS = 500;
/** The pace is that of so long. */
const PACE_MS = 30_000;
/** Of the file, that are shown: rows, columns, characters of a cell. */
const MOST_PREVIEWED = 5;
const MOST_COLUMNS = 100;
const MOST_CHARACTERS = 200;

const examples: Record<Language, { setup: string; program: string }> = {
  python: { setup: ordersPy.trimEnd(), program: "total(input_data)" },
  javascript: { setup: ordersJs.trimEnd(), program: "return_val(total(input))" },
  typescript: { setup: ordersJs.trimEnd(), program: "return_val(total(input))" },
};

/** What the tab keeps of the form. */
interface Draft {
  language: string;
  program: string;
  setup: string;
  packages: string;
  timeout: string;
  isolation: string;
  stopOn: string;
}

export class BatchView {
  readonly #language = byId<HTMLSelectElement>("batch-language");
  readonly #packages = byId<HTMLInputElement>("batch-packages");
  readonly #timeout = byId<HTMLInputElement>("batch-timeout");
  readonly #isolation = byId<HTMLSelectElement>("batch-isolation");
  readonly #stopOn = byId<HTMLSelectElement>("batch-stop-on");
  readonly #status = byId("batch-status");
  readonly #progress = byId<HTMLProgressElement>("batch-progress");
  readonly #run = byId<HTMLButtonElement>("run-batch");
  readonly #try = byId<HTMLButtonElement>("try-row");
  readonly #stop = byId<HTMLButtonElement>("batch-stop");
  readonly #runFailed = byId<HTMLButtonElement>("run-failed");
  readonly #runLeft = byId<HTMLButtonElement>("run-left");
  readonly #program: CodeEditor;
  readonly #setup: CodeEditor;
  readonly #table = new ResultsTable();
  #source: Source | undefined;
  /** With the file that they are of. */
  #results: { store: ResultStore; source: Source } | undefined;
  #running: AbortController | undefined;
  #reading: AbortController | undefined;

  constructor(nonce: string) {
    const changed = () => this.#save();
    const editor = (id: string, label: string) =>
      new CodeEditor(byId(id), {
        nonce,
        label,
        keys: { "Mod-Enter": () => this.tryRow() },
        onChange: changed,
      });
    this.#program = editor("batch-program", "Program for each row");
    this.#setup = editor("batch-setup", "Set-up");
    offerLanguages(this.#language);
    this.#restore();
    this.#listen(changed);
    this.#showControls();
    this.#describeInput();
  }

  /** Runs the first row and shows what came of it. */
  tryRow(): void {
    const batch = this.#batch();
    if (!batch || this.#running) return;
    void this.#during("Trying row 1…", async (signal) => {
      const source = this.#source as Source;
      const row = { number: 1, input: inputOf(source.preview[0] ?? [], source.columns) };
      const { setup, result } = await tryRow(batch, row, signal);
      if (setup) checkSetup(setup);
      if (!result) throw new CannotGoOn("Row 1 was not answered", "");
      const isOk = result.status === "success";
      this.#say(isOk ? "Row 1 is fine" : "Row 1 failed", isOk ? "good" : "bad");
      this.#table.showDetail({ ...result, input: row.input }, "Trial of row 1");
    });
  }

  #listen(changed: () => void): void {
    const field = byId<HTMLInputElement>("rows-file");
    byId("choose-rows").addEventListener("click", () => field.click());
    field.addEventListener("change", () => {
      const file = field.files?.[0];
      field.value = "";
      if (file) void this.#open(file);
    });
    byId("example-rows").addEventListener("click", () => {
      void this.#open(new File([ordersCsv], "orders.csv"));
    });
    const part = byId("rows-part");
    part.addEventListener("dragover", (event) => {
      event.preventDefault();
      part.classList.add("dropping");
    });
    part.addEventListener("dragleave", () => part.classList.remove("dropping"));
    part.addEventListener("drop", (event) => {
      event.preventDefault();
      part.classList.remove("dropping");
      const file = event.dataTransfer?.files[0];
      if (file) void this.#open(file);
    });
    this.#language.addEventListener("change", () => this.#switchLanguage());
    for (const field of [this.#packages, this.#timeout, this.#isolation, this.#stopOn]) {
      field.addEventListener("input", changed);
    }
    onClick(this.#try, () => this.tryRow());
    onClick(this.#run, () => this.#runAll());
    onClick(this.#stop, () => this.#running?.abort());
    onClick(this.#runFailed, () => this.#runAgain("failed"));
    onClick(this.#runLeft, () => this.#runAgain("left"));
    byId("save-csv").addEventListener("click", () => void this.#saveResults("csv"));
    byId("save-jsonl").addEventListener("click", () => void this.#saveResults("jsonl"));
    addEventListener("beforeunload", (event) => {
      if (this.#running) event.preventDefault();
    });
  }

  // The rows.

  async #open(file: File): Promise<void> {
    if (this.#running) {
      this.#report("A batch is running", "Stop it first, or wait for its end");
      return;
    }
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    const about = byId("rows-about");
    const problem = byId("rows-problem");
    problem.hidden = true;
    byId("rows-preview").hidden = true;
    this.#source = undefined;
    try {
      this.#source = await survey(file, reading.signal, (count) => {
        if (!reading.signal.aborted) about.textContent = `Reading: ${formatCount(count, "row")}…`;
      });
      const { columns, count } = this.#source;
      const width = columns ? ` × ${formatCount(columns.length, "column")}` : "";
      const size = formatBytes(file.size);
      about.textContent = `${file.name}: ${formatCount(count, "row")}${width}, ${size}`;
      this.#showPreview(this.#source);
      this.#say("Ready", "idle");
    } catch (error) {
      if (reading.signal.aborted) return;
      about.textContent = "Choose another file, or mend this one.";
      problem.textContent = `${file.name} was not taken. ${messageOf(error)}`;
      problem.hidden = false;
    }
    this.#describeInput();
    this.#showControls();
  }

  #showPreview({ columns, preview }: Source): void {
    const rows = preview.slice(0, MOST_PREVIEWED).map((cells) => {
      const shown = cells
        .slice(0, MOST_COLUMNS)
        .map((cell) => make("td", {}, cell.slice(0, MOST_CHARACTERS)));
      return make("tr", {}, ...shown);
    });
    const heads = (columns ?? []).slice(0, MOST_COLUMNS).map((column) => {
      const type = make(
        "select",
        { "aria-label": `Values of ${column.name}` },
        make("option", { value: "text" }, "text"),
        make("option", { value: "number" }, "number"),
      );
      type.value = column.isNumber ? "number" : "text";
      type.addEventListener("change", () => (column.isNumber = type.value === "number"));
      return make(
        "th",
        { scope: "col" },
        make("bdi", {}, column.name.slice(0, MOST_CHARACTERS)),
        type,
      );
    });
    const head = columns ? [make("thead", {}, make("tr", {}, ...heads))] : [];
    const table = make("table", { "aria-label": "The first rows" }, ...head);
    table.append(make("tbody", {}, ...rows));
    const label = "The first rows of the file";
    const attributes = { class: "table-box", role: "group", "aria-label": label, tabindex: "0" };
    const note = columns
      ? "Cells are text. In a column of numbers, one that is a number is sent as that, an empty one as null."
      : "Each line is sent as it is.";
    const more = (columns?.length ?? 0) - MOST_COLUMNS;
    const cut =
      more > 0 ? ` ${formatCount(more, "further column")} of text or numbers are not shown.` : "";
    const box = byId("rows-preview");
    box.replaceChildren(
      make("div", attributes, make("div", { class: "table" }, table)),
      make("p", { class: "note" }, note + cut),
    );
    box.hidden = false;
  }

  /** Says what a row is called in the program. */
  #describeInput(): void {
    const name = this.#language.value === "python" ? "input_data" : "input";
    const columns = this.#source?.columns?.map((column) => column.name);
    const some = columns?.slice(0, 6).join(", ");
    const what = !this.#source
      ? "of a CSV file an object with the columns as its fields, of JSONL the value of the line"
      : columns
        ? `an object with ${columns.length > 6 ? `the fields ${some}, …` : `the fields ${some}`}`
        : "the value of its line";
    byId("batch-input-note").replaceChildren(
      "The program runs once for each row, which is ",
      make("code", {}, name),
      `: ${what}.`,
    );
  }

  // Running.

  /** What the form says; undefined, and told, if it cannot be run. */
  #batch(): Batch | undefined {
    if (!this.#source) {
      this.#report("There are no rows", "Choose a file with them, or take the example");
      byId("choose-rows").focus();
      return undefined;
    }
    if (!this.#timeout.validity.valid) {
      this.#report("The timeout cannot be right", "A whole number of milliseconds from 1 on");
      this.#timeout.focus();
      return undefined;
    }
    const packages = this.#packages.value.split(/[\s,]+/).filter((name) => name !== "");
    const language = this.#language.value as Language;
    return {
      language,
      program: this.#program.text,
      setup: this.#setup.text,
      // There are packages for Python only.
      packages: language === "python" ? packages : [],
      isolation: this.#isolation.value as Batch["isolation"],
      stopOn: this.#stopOn.value === "" ? undefined : (this.#stopOn.value as "error" | "failure"),
      timeout: this.#timeout.value === "" ? undefined : this.#timeout.valueAsNumber,
    };
  }

  #runAll(): void {
    const batch = this.#batch();
    const source = this.#source;
    if (!batch || !source || this.#running) return;
    // The columns as they are now: another choice is one for the next run.
    const columns = source.columns?.map((column) => ({ ...column }));
    const store = new ResultStore(source.count);
    this.#results = { store, source: { ...source, columns } };
    this.#table.show(store);
    this.#runRows(
      batch,
      readRows(this.#results.source, () => true),
      source.count,
    );
  }

  #runAgain(which: "failed" | "left"): void {
    const results = this.#results;
    const batch = results && this.#batch();
    if (!batch || this.#running) return;
    const { store, source } = results;
    const rows =
      which === "failed"
        ? store.inputs(store.rows("failed"))
        : readRows(source, (number) => store.stateOf(number) === "left");
    this.#runRows(batch, rows, store.totals[which]);
  }

  #runRows(batch: Batch, rows: AsyncIterable<Row[]>, count: number): void {
    const { store } = this.#results as { store: ResultStore };
    let done = 0;
    let waits: string | undefined;
    const pace = new Pace();
    const refresh = () => {
      pace.tick(done);
      this.#progress.max = count;
      this.#progress.value = done;
      this.#showFigures(waits ?? pace.words(count - done));
      void this.#table.refresh();
    };
    const timer = setInterval(refresh, REFRESH_MS);
    this.#progress.hidden = false;
    const started = performance.now();
    void this.#during("Running…", async (signal) => {
      const stopped = await runBatch(batch, rows, signal, {
        waiting: (why) => (waits = why),
        answered: (result, { input }) => {
          done++;
          store.add(result, input);
        },
      });
      const { ok, failed, left } = store.totals;
      const counts = `${ok.toLocaleString("en")} ok, ${failed.toLocaleString("en")} failed`;
      const tone = failed > 0 || left > 0 ? "warn" : "good";
      this.#say(stopped === undefined ? `Done: ${counts}` : `Stopped: ${counts}`, tone);
      if (stopped !== undefined) this.#report("Rows are left", stopped);
    }).finally(() => {
      clearInterval(timer);
      refresh();
      this.#progress.hidden = true;
      this.#showFigures(formatLong(performance.now() - started));
    });
    refresh();
  }

  /** Does something that can be stopped, and tells what went wrong. */
  async #during(status: string, what: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    byId("batch-problem").hidden = true;
    this.#say(status, "busy");
    this.#showControls();
    try {
      await what(running.signal);
    } catch (error) {
      if (running.signal.aborted) this.#say("Stopped", "warn");
      else this.#fail(error);
    } finally {
      this.#running = undefined;
      if (document.activeElement === this.#stop) this.#run.focus();
      this.#showControls();
    }
  }

  #fail(error: unknown): void {
    if (error instanceof ApiFailure) {
      this.#say(`Refused (${error.status})`, "bad");
      this.#report(error.message, error.details);
      if (error.status === 401) this.#askForToken();
    } else if (error instanceof CannotGoOn) {
      this.#say("Failed", "bad");
      this.#report(error.message, error.details);
    } else if (error instanceof TypeError) {
      this.#say("The connection was lost", "bad");
      this.#report("The server cannot be reached", `${messageOf(error)}. What came is kept.`);
    } else {
      this.#say("Failed", "bad");
      const changed = error instanceof DOMException && error.name === "NotReadableError";
      const why = changed ? "It has changed since it was chosen: choose it again" : "";
      this.#report(changed ? "The file cannot be read" : messageOf(error), why);
    }
  }

  #askForToken(): void {
    const problem = byId("batch-problem");
    const [field, use] = tokenForm(() => {
      problem.hidden = true;
      this.#say("The token is kept until this tab closes. Run again.", "idle");
      this.#run.focus();
    });
    problem.append(make("span", { class: "notice-actions" }, field, use));
    field.focus();
  }

  // What is shown.

  #say(text: string, tone: Tone): void {
    this.#status.textContent = text;
    this.#status.dataset["tone"] = tone;
  }

  #report(message: string, details: string): void {
    const problem = byId("batch-problem");
    problem.replaceChildren(make("strong", {}, message), make("span", {}, details.slice(0, 4000)));
    problem.hidden = false;
  }

  #showFigures(pace: string): void {
    const { ok, failed, left } = this.#results?.store.totals ?? { ok: 0, failed: 0, left: 0 };
    const figures: [string, string][] = [
      ["OK", ok.toLocaleString("en")],
      ["Failed", failed.toLocaleString("en")],
      ["Left", left.toLocaleString("en")],
      [this.#running ? "To go" : "Took", pace],
    ];
    byId("batch-figures").replaceChildren(
      ...figures.map(([name, value]) =>
        make("div", {}, make("dt", {}, name), make("dd", {}, value)),
      ),
    );
  }

  #showControls(): void {
    const isRunning = this.#running !== undefined;
    const totals = this.#results?.store.totals;
    enable(this.#run, !isRunning && this.#source !== undefined);
    enable(this.#try, !isRunning && this.#source !== undefined);
    enable(this.#stop, isRunning);
    enable(this.#runFailed, !isRunning && (totals?.failed ?? 0) > 0);
    enable(this.#runLeft, !isRunning && (totals?.left ?? 0) > 0);
    byId("batch-after").hidden = !totals;
  }

  async #saveResults(format: "csv" | "jsonl"): Promise<void> {
    const results = this.#results;
    if (!results) return;
    const { store, source } = results;
    const saved = byId(`save-${format}`);
    const name = saved.textContent;
    const onShare = (share: number) => (saved.textContent = `${Math.floor(share * 100)} %`);
    try {
      const columns = source.columns?.map((column) => column.name);
      const content =
        format === "csv" ? await store.saveCsv(columns, onShare) : await store.saveJsonl(onShare);
      saveFile(`${source.file.name.replace(/\.\w+$/, "")}-results.${format}`, content);
    } catch (error) {
      this.#report("The results were not saved", messageOf(error));
    } finally {
      saved.textContent = name;
    }
  }

  // The form.

  #switchLanguage(): void {
    const language = this.#language.value as Language;
    const isExample = Object.values(examples).some(
      ({ program, setup }) => program === this.#program.text && setup === this.#setup.text,
    );
    if (isExample) {
      this.#program.load(language, examples[language].program);
      this.#setup.load(language, examples[language].setup);
    }
    this.#program.setLanguage(language);
    this.#setup.setLanguage(language);
    this.#describeInput();
    this.#save();
  }

  #restore(): void {
    const kept = readKept(tabStore, KEY) as Partial<Draft> | undefined;
    const language = isLanguage(kept?.language ?? "") ? (kept?.language as Language) : "python";
    this.#language.value = language;
    this.#program.load(language, kept?.program ?? examples[language].program);
    this.#setup.load(language, kept?.setup ?? examples[language].setup);
    this.#packages.value = kept?.packages ?? "";
    this.#timeout.value = kept?.timeout ?? "";
    this.#isolation.value = kept?.isolation ?? "process";
    this.#stopOn.value = kept?.stopOn ?? "";
  }

  #save(): void {
    const draft: Draft = {
      language: this.#language.value,
      program: this.#program.text,
      setup: this.#setup.text,
      packages: this.#packages.value,
      timeout: this.#timeout.value,
      isolation: this.#isolation.value,
      stopOn: this.#stopOn.value,
    };
    tabStore.set(KEY, JSON.stringify(draft));
  }
}

/** How fast rows are answered, of late. */
class Pace {
  readonly #ticks: { at: number; done: number }[] = [];

  tick(done: number): void {
    const at = performance.now();
    this.#ticks.push({ at, done });
    while ((this.#ticks[0]?.at ?? at) < at - PACE_MS) this.#ticks.shift();
  }

  /** How long so many take, and how many a second. */
  words(left: number): string {
    const [first, last] = [this.#ticks[0], this.#ticks.at(-1)];
    if (!first || !last || last.done === first.done) return "…";
    const perMs = (last.done - first.done) / (last.at - first.at);
    const perSecond = perMs * 1000;
    const rate = perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString("en");
    return `${formatLong(left / perMs)}, ${rate} rows/s`;
  }
}
