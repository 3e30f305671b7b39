// The page at /: write a program, run it in a fresh sandbox, see what it does.

import { ApiFailure, type Language, type Program, runCode } from "./api.ts";
import { OutputConsole } from "./console.ts";
import { byId, make } from "./dom.ts";
import { CodeEditor } from "./editor.ts";
import { type Example, examples, firstExample } from "./examples.ts";
import { failureOf } from "./links.ts";
import { LatencyMonitor, PoolMonitor } from "./monitor.ts";
import { Options } from "./options.ts";
import { ResultView } from "./result.ts";
import { fromFragment, type Shared, toFragment } from "./share.ts";

const DRAFT_KEY = "faas.draft";
const languages: Language[] = ["python", "javascript", "typescript"];

const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";
const runButton = byId<HTMLButtonElement>("run");
const stopButton = byId<HTMLButtonElement>("stop");
const exampleList = byId<HTMLSelectElement>("examples");

const editor = new CodeEditor(byId("editor"), nonce, run, saveDraft);
const options = new Options(nonce, run, saveDraft);
const output = new OutputConsole(byId("output"), (location) => editor.goTo(location));
const result = new ResultView();
const pool = new PoolMonitor(() => options.token);
const latency = new LatencyMonitor();

let language: Language = "python";
let running: AbortController | undefined;
let runs = 0;

function setLanguage(next: Language): void {
  language = next;
  byId<HTMLInputElement>(`language-${next}`).checked = true;
  exampleList.replaceChildren(
    make("option", { value: "" }, "Examples…"),
    ...examples.flatMap((example, index) =>
      example.language === next ? [make("option", { value: String(index) }, example.title)] : [],
    ),
  );
}

function load(program: Example | (Shared & { language: Language })): void {
  setLanguage(program.language);
  editor.load(program.language, program.code);
  options.set(program.input ?? "", program.packages ?? "");
}

/** A new language starts with its first example, unless there is something to lose. */
function switchLanguage(next: Language): void {
  const text = editor.text;
  if (text.trim() === "" || examples.some(({ code }) => code === text)) {
    load(firstExample(next));
  } else {
    setLanguage(next);
    editor.setLanguage(next);
  }
  saveDraft();
}

function currentProgram(): Shared & { language: Language } {
  return { language, code: editor.text, input: options.input.text, packages: options.packagesText };
}

function run(): void {
  if (running) return;
  result.clear();
  output.clear();
  editor.markFailure(undefined);
  const problem = options.findProblem();
  if (problem !== undefined) {
    result.setStatus("Not sent", "warn");
    result.showProblem(problem);
    return;
  }
  const program: Program = {
    language,
    code: editor.text,
    input: options.input.text,
    // There are packages for Python only.
    packages: language === "python" ? options.packages : [],
    timeout: options.timeout,
    priority: options.priority,
  };
  void execute(program);
}

async function execute(program: Program): Promise<void> {
  const request = new AbortController();
  running = request;
  setRunning(true);
  result.setStatus("Running…", "busy");
  const started = performance.now();
  try {
    const answer = await runCode(program, options.token, request.signal, {
      output: (stream, text) => output.append(stream, text),
      shown: (shown) => result.add(shown),
      installing: (progress) => result.setProgress(progress),
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
    result.show(answer, roundTrip);
    latency.add(roundTrip, answer.metadata.usage.wall_ms);
    if (answer.metadata.status === "error") editor.markFailure(failureOf(stderr, program.language));
  } catch (error) {
    output.finish();
    report(error, request.signal.aborted);
  } finally {
    running = undefined;
    setRunning(false);
    // For tests and scripts that wait for the end.
    document.body.dataset["runs"] = String(++runs);
    pool.refresh();
  }
}

function report(error: unknown, stopped: boolean): void {
  if (stopped) {
    result.setOutcome("cancelled");
  } else if (error instanceof ApiFailure) {
    result.setStatus(error.status >= 400 ? `Refused (${error.status})` : "Failed", "bad");
    result.showProblem(error.message, error.details);
    if (error.status === 401) options.askForToken();
  } else {
    result.setStatus("Failed", "bad");
    result.showProblem(
      "The server cannot be reached",
      error instanceof Error ? error.message : String(error),
    );
  }
}

function setRunning(on: boolean): void {
  document.body.classList.toggle("running", on);
  // Not disabled: a button that loses its place in the focus order leaves keyboards nowhere.
  runButton.setAttribute("aria-disabled", String(on));
  if (!on && document.activeElement === stopButton) runButton.focus();
  stopButton.disabled = !on;
}

function saveDraft(): void {
  sessionStorage.setItem(DRAFT_KEY, JSON.stringify(currentProgram()));
}

async function share(): Promise<void> {
  const fragment = await toFragment(currentProgram());
  history.replaceState(null, "", fragment);
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

function isLanguage(name: string): name is Language {
  return (languages as string[]).includes(name);
}

/** A program from the address, else the draft of this tab, else the first example. */
async function start(): Promise<void> {
  const linked = await fromFragment(location.hash);
  const draft = JSON.parse(sessionStorage.getItem(DRAFT_KEY) ?? "null") as Shared | null;
  const first = linked ?? draft;
  if (first && isLanguage(first.language)) load({ ...first, language: first.language });
  else load(firstExample("python"));
}

for (const name of languages) {
  byId(`language-${name}`).addEventListener("change", () => switchLanguage(name));
}
exampleList.addEventListener("change", () => {
  const example = examples[Number(exampleList.value)];
  if (exampleList.value !== "" && example) load(example);
});
runButton.addEventListener("click", run);
stopButton.addEventListener("click", () => running?.abort());
byId("share").addEventListener("click", () => void share());
byId("wrap").addEventListener("change", (event) => {
  byId("output").classList.toggle("wrap", (event.target as HTMLInputElement).checked);
});
for (const filter of document.querySelectorAll<HTMLInputElement>("input[name=show]")) {
  filter.addEventListener("change", () => (byId("output").dataset["show"] = filter.value));
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) {
    event.preventDefault();
    run();
  }
});
addEventListener(
  "hashchange",
  () =>
    void fromFragment(location.hash).then((linked) => {
      if (linked && isLanguage(linked.language)) load({ ...linked, language: linked.language });
    }),
);
if (/Mac|iPhone|iPad/.test(navigator.platform)) {
  for (const key of document.querySelectorAll(".mod-key")) key.textContent = "⌘";
}
void start();
