// The answer of an execution: status, figures, results, return value, files.

import { json } from "@codemirror/lang-json";
import { classHighlighter, highlightCode } from "@lezer/highlight";
import type { AnswerStatus, Outcome, Progress, RunResponse, ShownResult } from "./api.ts";
import { figuresOf } from "./artifacts.ts";
import { byId, make } from "./dom.ts";
import { formatBytes, formatMs } from "./format.ts";
import { layOutJson, readJson } from "./json.ts";
import { outcomes, type Tone } from "./outcomes.ts";
import { ResultList } from "./results.ts";
import { isBranch, treeOf } from "./tree.ts";

/** Above this, colours cost more than they help. */
const MOST_COLOURED = 200_000;
/** Above this, a return value is not read into a tree. */
const MOST_TREE = 1_000_000;

export class ResultView {
  readonly #section = byId("result");
  readonly #status = byId("status");
  readonly #figures = byId("figures");
  readonly #problem = byId("problem");
  readonly #value = byId("value");
  readonly #tree = byId("value-tree");
  readonly #asTree = byId<HTMLInputElement>("value-as-tree");
  readonly #files = byId("files");
  readonly #shown = new ResultList(byId("shown-part"), byId("shown"));

  constructor() {
    byId("value-views").addEventListener("change", () => this.#showView());
  }

  /** The line that says how it stands; screen readers speak it. */
  setStatus(text: string, tone: Tone): void {
    this.#status.textContent = text;
    this.#status.dataset["tone"] = tone;
  }

  /** How far the packages are. Only the first part is spoken, and only when it changes. */
  setProgress({ packages, stage, file, files, bytes }: Progress): void {
    const names = packages.join(", ");
    const texts: Record<Progress["stage"], string> = {
      waiting: `Waiting to install ${names}…`,
      fetching: `Installing ${names}…`,
      installing: `Installing ${names}…`,
      ready: "Running…",
    };
    if (this.#status.textContent !== texts[stage]) this.setStatus(texts[stage], "busy");
    this.#showFigures(
      stage === "ready"
        ? []
        : [
            ["Files", String(files)],
            ["Received", formatBytes(bytes)],
            [stage === "fetching" ? "Fetching" : "Last file", file ?? "none yet"],
          ],
    );
  }

  /** How a program ended. */
  setOutcome(outcome: Outcome | AnswerStatus): void {
    const { text, tone } = outcomes[outcome];
    this.setStatus(text, tone);
  }

  /** Empties everything for the next execution, and comes into view if it is below the screen. */
  clear(): void {
    this.#section.classList.remove("empty");
    const box = this.#section.getBoundingClientRect();
    if (box.top > innerHeight - 160) this.#section.scrollIntoView({ block: "start" });
    this.#figures.replaceChildren();
    this.#shown.clear();
    this.#value.replaceChildren();
    this.#tree.replaceChildren();
    this.#files.replaceChildren();
    this.showProblem();
    byId("value-part").hidden = true;
    byId("files-part").hidden = true;
    byId("truncated").hidden = true;
  }

  /** A refusal or a failure that is not the program's. */
  showProblem(error = "", details = ""): void {
    this.#problem.hidden = error === "";
    this.#problem.replaceChildren(
      make("strong", {}, error),
      ...(details === "" ? [] : [make("span", {}, details)]),
    );
  }

  /** A result that the program shows while it runs. */
  add(shown: ShownResult): void {
    this.#shown.add(shown);
  }

  show(result: RunResponse, roundTripMs: number): void {
    const { output, metadata } = result;
    this.setOutcome(metadata.status);
    const { usage } = metadata;
    this.#showFigures([
      ["Wall", formatMs(usage.wall_ms)],
      ["CPU", formatMs(usage.cpu_ms)],
      ["Peak memory", formatBytes(usage.peak_memory_bytes)],
      ["Exit code", String(metadata.exit_code)],
      ["Round trip", formatMs(roundTripMs)],
    ]);
    byId("truncated").hidden = !metadata.truncated;
    const files = [...output.files, ...output.artifacts];
    const { saysValue, filesLeft } = this.#shown.finish(output.results, output.ret_val, files);
    this.#showValue(saysValue ? "" : output.ret_val);
    byId("files-part").hidden = filesLeft.length === 0;
    this.#files.replaceChildren(...figuresOf(filesLeft));
  }

  #showFigures(figures: [string, string][]): void {
    this.#figures.replaceChildren(
      ...figures.map(([name, value]) =>
        make("div", {}, make("dt", {}, name), make("dd", {}, value)),
      ),
    );
  }

  #showValue(value: string): void {
    byId("value-part").hidden = value === "";
    const laidOut = layOutJson(value);
    byId("value-kind").textContent = laidOut === undefined ? "text" : "JSON";
    const tree = laidOut !== undefined && value.length <= MOST_TREE ? readJson(value) : undefined;
    this.#tree.replaceChildren(...(isBranch(tree) ? [treeOf(tree)] : []));
    byId("value-views").hidden = !isBranch(tree);
    this.#showView();
    if (laidOut === undefined || laidOut.length > MOST_COLOURED) {
      this.#value.textContent = laidOut ?? value;
      return;
    }
    const parts: Node[] = [];
    highlightCode(
      laidOut,
      json().language.parser.parse(laidOut),
      classHighlighter,
      (text, classes) => {
        parts.push(classes ? make("span", { class: classes }, text) : new Text(text));
      },
      () => parts.push(new Text("\n")),
    );
    this.#value.replaceChildren(...parts);
  }

  /** Shows a return value that has a tree as that or as text. */
  #showView(): void {
    this.#tree.hidden = byId("value-views").hidden || !this.#asTree.checked;
    this.#value.hidden = !this.#tree.hidden;
  }
}
