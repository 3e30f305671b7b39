// One program: write it, run it in a fresh sandbox, see what it does.

import { ApiFailure, type Language, messageOf, type Program, runCode } from "./api.ts";
import { OutputConsole } from "./console.ts";
import { byId, make } from "./dom.ts";
import { CodeEditor } from "./editor.ts";
import { Exchange } from "./exchange.ts";
import { type Example, examples, firstExample } from "./examples.ts";
import { isLanguage, languages } from "./languages.ts";
import { failureOf } from "./links.ts";
import { LatencyMonitor, type PoolMonitor } from "./monitor.ts";
import { Options } from "./options.ts";
import { ResultView } from "./result.ts";
import { fromFragment, type Shared, toFragment } from "./share.ts";
import { readKept, tabStore } from "./storage.ts";
import { apiToken } from "./token.ts";

const DRAFT_KEY = "faas.draft";

/** A program and what goes with it. */
type Draft = Shared & { language: Language };

export class ProgramView {
  readonly #run = byId<HTMLButtonElement>("run");
  readonly #stop = byId<HTMLButtonElement>("stop");
  readonly #putBack = byId<HTMLButtonElement>("put-back");
  readonly #exampleList = byId<HTMLSelectElement>("examples");
  readonly #editor: CodeEditor;
  readonly #options: Options;
  readonly #output = new OutputConsole(byId("output"), (location) => this.#editor.goTo(location));
  readonly #result = new ResultView();
  readonly #exchange = new Exchange();
  readonly #latency = new LatencyMonitor();
  readonly #pool: PoolMonitor;
  #language: Language = "python";
  #running: AbortController | undefined;
  #runs = 0;
  /** The program that the address has. */
  #linked: string | undefined;
  /** The program of the user that an example or a link took the place of. */
  #replaced: Draft | undefined;

  constructor(nonce: string, pool: PoolMonitor) {
    this.#pool = pool;
    const run = () => this.run();
    const changed = () => this.#saveDraft();
    this.#editor = new CodeEditor(byId("editor"), {
      nonce,
      label: "Program",
      describedBy: "editor-hint",
      keys: { "Mod-Enter": run },
      onChange: changed,
    });
    this.#options = new Options(nonce, run, changed);
    for (const name of languages) {
      byId(`language-${name}`).addEventListener("change", () => this.#switchLanguage(name));
    }
    this.#exampleList.addEventListener("change", () => {
      const example = examples[Number(this.#exampleList.value)];
      if (this.#exampleList.value !== "" && example) this.#load(example);
    });
    this.#run.addEventListener("click", run);
    this.#stop.addEventListener("click", () => this.#running?.abort());
    this.#putBack.addEventListener("click", () => this.#bringBack());
    byId("share").addEventListener("click", () => void this.#share());
    byId("wrap").addEventListener("change", (event) => {
      byId("output").classList.toggle("wrap", (event.target as HTMLInputElement).checked);
    });
    for (const filter of document.querySelectorAll<HTMLInputElement>("input[name=show]")) {
      filter.addEventListener("change", () => (byId("output").dataset["show"] = filter.value));
    }
    addEventListener("hashchange", () => void this.#loadLinked());
    void this.#start();
  }

  /** A program from the address, else the draft of this tab, else the first example. */
  async #start(): Promise<void> {
    const draft = readKept(tabStore, DRAFT_KEY) as Shared | undefined;
    if (draft && isLanguage(draft.language)) this.#load({ ...draft, language: draft.language });
    else this.#load(firstExample("python"));
    await this.#loadLinked();
  }

  async #loadLinked(): Promise<void> {
    const linked = await fromFragment(location.hash);
    if (!linked || !isLanguage(linked.language)) return;
    this.#load({ ...linked, language: linked.language });
    this.#linked = linked.code;
  }

  #setLanguage(next: Language): void {
    this.#language = next;
    byId<HTMLInputElement>(`language-${next}`).checked = true;
    this.#exampleList.replaceChildren(
      make("option", { value: "" }, "Examples…"),
      ...examples.flatMap((example, index) =>
        example.language === next ? [make("option", { value: String(index) }, example.title)] : [],
      ),
    );
  }

  /** Shows a program in the place of another, which can be put back if it is the user's own. */
  #load(program: Example | Draft): void {
    const before = this.#draft;
    if (!isNobodys(before.code) && before.code !== program.code) this.#replaced = before;
    this.#setLanguage(program.language);
    this.#editor.load(program.language, program.code);
    this.#options.set(program.input ?? "", program.packages ?? "");
    this.#putBack.hidden = this.#replaced === undefined;
  }

  #bringBack(): void {
    const mine = this.#replaced;
    this.#replaced = undefined;
    if (mine) this.#load(mine);
    this.#saveDraft();
    this.#exampleList.focus();
  }

  /** A new language starts with its first example, unless there is something to lose. */
  #switchLanguage(next: Language): void {
    if (isNobodys(this.#editor.text)) {
      this.#load(firstExample(next));
    } else {
      this.#setLanguage(next);
      this.#editor.setLanguage(next);
    }
    this.#saveDraft();
  }

  get #draft(): Draft {
    return {
      language: this.#language,
      code: this.#editor.text,
      input: this.#options.input.text,
      packages: this.#options.packagesText,
    };
  }

  run(): void {
    if (this.#running) return;
    this.#result.clear();
    this.#exchange.hide();
    this.#output.clear();
    this.#editor.markFailure(undefined);
    const problem = this.#options.findProblem();
    if (problem !== undefined) {
      this.#result.setStatus("Not sent", "warn");
      this.#result.showProblem(problem);
      return;
    }
    const { limits } = this.#options;
    void this.#execute({
      language: this.#language,
      code: this.#editor.text,
      input: this.#options.input.text,
      // There are packages for Python only.
      packages: this.#language === "python" ? this.#options.packages : [],
      timeout: this.#options.timeout,
      priority: this.#options.priority,
      ...(limits ? { limits } : {}),
      files: this.#options.files,
    });
  }

  async #execute(program: Program): Promise<void> {
    const request = new AbortController();
    this.#running = request;
    this.#setRunning(true);
    this.#result.setStatus("Running…", "busy");
    const started = performance.now();
    const output = this.#output;
    try {
      const answer = await runCode(program, apiToken.value, request.signal, {
        output: (stream, text) => output.append(stream, text),
        shown: (shown) => this.#result.add(shown),
        installing: (progress) => this.#result.setProgress(progress),
      });
      const roundTrip = performance.now() - started;
      const { stdout, stderr } = answer.output;
      // What streamed keeps its order; the answer decides what there is.
      if (output.text("stdout") !== stdout || output.text("stderr") !== stderr) {
        output.clear();
        output.append("stdout", stdout);
        output.append("stderr", stderr);
      }
      output.finish();
      this.#result.show(answer, roundTrip);
      this.#exchange.show(program, answer);
      this.#latency.add(roundTrip, answer.metadata.usage.wall_ms);
      if (answer.metadata.status === "error") {
        this.#editor.markFailure(failureOf(stderr, program.language));
      }
    } catch (error) {
      output.finish();
      this.#report(error, request.signal.aborted);
    } finally {
      this.#running = undefined;
      this.#setRunning(false);
      // For tests and scripts that wait for the end.
      document.body.dataset["runs"] = String(++this.#runs);
      this.#pool.refresh();
    }
  }

  #report(error: unknown, stopped: boolean): void {
    if (stopped) {
      this.#result.setOutcome("cancelled");
    } else if (error instanceof ApiFailure) {
      this.#result.setStatus(error.status >= 400 ? `Refused (${error.status})` : "Failed", "bad");
      this.#result.showProblem(error.message, error.details);
      if (error.status === 401) this.#options.askForToken();
    } else {
      this.#result.setStatus("Failed", "bad");
      this.#result.showProblem("The server cannot be reached", messageOf(error));
    }
  }

  #setRunning(on: boolean): void {
    document.body.classList.toggle("running", on);
    // Not disabled: a button that loses its place in the focus order leaves keyboards nowhere.
    this.#run.setAttribute("aria-disabled", String(on));
    if (!on && document.activeElement === this.#stop) this.#run.focus();
    this.#stop.disabled = !on;
  }

  #saveDraft(): void {
    tabStore.set(DRAFT_KEY, JSON.stringify(this.#draft));
    // The link is of the program before it was edited; a reload would bring that one.
    if (this.#linked !== undefined && this.#linked !== this.#editor.text) {
      this.#linked = undefined;
      if (location.hash.startsWith("#code=")) history.replaceState(null, "", "#program");
    }
  }

  async #share(): Promise<void> {
    const fragment = await toFragment(this.#draft);
    history.replaceState(null, "", fragment);
    this.#linked = this.#editor.text;
    let told = "The link is in the address bar";
    try {
      // Browsers have a clipboard only for https and localhost.
      await navigator.clipboard.writeText(location.href);
      told = "Link copied";
    } catch {
      // The address bar has it all the same.
    }
    const note = byId("share-note");
    note.textContent = told;
    setTimeout(() => (note.textContent = ""), 4000);
  }
}

/** Whether nobody would miss this program. */
function isNobodys(code: string): boolean {
  return code.trim() === "" || examples.some((example) => example.code === code);
}
