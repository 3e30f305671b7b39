// What a cell printed, showed and returned, in the order in which it came.

import type { RunResponse, ShownResult, Stream } from "../api.ts";
import { figuresOf } from "../artifacts.ts";
import { OutputConsole } from "../console.ts";
import { make } from "../dom.ts";
import type { Location } from "../links.ts";
import { type Data, isPlain, represent } from "../representation.ts";
import { type Output, splitError } from "./model.ts";

/** A longer text of a structure is shown as a tree. */
const LONGEST_TEXT_OF_TREE = 100;
const MOST_TREE = 1_000_000;

export class OutputsView {
  readonly element = make("div", { class: "outputs" });
  readonly #onLocation: (location: Location) => void;
  #outputs: Output[] = [];
  /** Where further output goes, while nothing else came. */
  #console: OutputConsole | undefined;
  #results = 0;

  constructor(onLocation: (location: Location) => void) {
    this.#onLocation = onLocation;
  }

  get outputs(): Output[] {
    return this.#outputs;
  }

  set outputs(outputs: Output[]) {
    this.clear();
    for (const output of outputs) this.#add(output);
    this.#finishConsole();
  }

  clear(): void {
    this.#console?.clear();
    this.#console = undefined;
    this.#outputs = [];
    this.#results = 0;
    this.element.replaceChildren();
  }

  /** Output as it comes. */
  append(stream: Stream, text: string): void {
    if (text !== "") this.#add({ kind: "stream", stream, text });
  }

  /** A result as it comes. */
  show({ data, is_main_result }: ShownResult): void {
    this.#add({ kind: "result", data, isValue: is_main_result });
  }

  /** The cell ended with this answer, which decides what there is. */
  finish({ output, metadata }: RunResponse, language: string): void {
    const outputs = this.#isComplete(output) ? [...this.#outputs] : outputsOf(output);
    addValue(outputs, output.ret_val);
    const shown = outputs.flatMap((one) => (one.kind === "result" ? Object.values(one.data) : []));
    const files = [...output.files, ...output.artifacts].filter(
      ({ content_base64 }) => !shown.includes(content_base64),
    );
    if (files.length > 0) outputs.push({ kind: "files", files });
    if (metadata.status === "error") separateError(outputs, language);
    const changed = outputs.findIndex((one, index) => one !== this.#outputs[index]);
    if (changed < 0 && outputs.length === this.#outputs.length) this.#finishConsole();
    else this.outputs = outputs;
  }

  /** No answer came. */
  breakOff(): void {
    this.#finishConsole();
  }

  /** Whether all that an answer tells came before it. */
  #isComplete({ stdout, stderr, results }: RunResponse["output"]): boolean {
    const text = (stream: Stream) =>
      this.#outputs
        .map((one) => (one.kind === "stream" && one.stream === stream ? one.text : ""))
        .join("");
    const count = this.#outputs.filter(({ kind }) => kind === "result").length;
    return text("stdout") === stdout && text("stderr") === stderr && count === results.length;
  }

  #add(output: Output): void {
    if (output.kind === "stream") {
      this.#addText(output);
      return;
    }
    this.#finishConsole();
    this.#outputs.push(output);
    if (output.kind === "result") this.#addResult(output.data);
    else if (output.kind === "error") this.#addError(output);
    else this.element.append(make("div", { class: "files" }, ...figuresOf(output.files)));
  }

  #addText(output: Output & { kind: "stream" }): void {
    const last = this.#outputs.at(-1);
    if (last?.kind === "stream" && last.stream === output.stream) last.text += output.text;
    else this.#outputs.push({ ...output });
    this.#console ??= this.#newConsole("Output");
    this.#console.append(output.stream, output.text);
  }

  #newConsole(label: "Output" | "Traceback"): OutputConsole {
    const box = make("pre", {
      class: label === "Output" ? "output wrap" : "output wrap trace",
      role: "group",
      "aria-label": label,
      tabindex: "0",
    });
    this.element.append(box);
    return new OutputConsole(box, this.#onLocation);
  }

  #finishConsole(): void {
    this.#console?.finish();
    this.#console = undefined;
  }

  #addResult(data: Data): void {
    const name = `Result ${++this.#results}`;
    const { kind, element } = represent(data, name);
    const attributes = { class: "shown", role: "group", "aria-label": `${name}, ${kind}` };
    this.element.append(make("div", attributes, element));
  }

  #addError({ name, message, trace }: Output & { kind: "error" }): void {
    const head = make(
      "p",
      { class: "error-head" },
      make("strong", {}, name),
      make("bdi", {}, message === "" ? "" : ` ${message}`),
    );
    this.element.append(head);
    const report = this.#newConsole("Traceback");
    report.append("stderr", trace);
    report.finish();
  }
}

function outputsOf({ stdout, stderr, results }: RunResponse["output"]): Output[] {
  const all: Output[] = [
    { kind: "stream", stream: "stdout", text: stdout },
    ...results.map(({ data, is_main_result }) => ({
      kind: "result" as const,
      data,
      isValue: is_main_result,
    })),
    { kind: "stream", stream: "stderr", text: stderr },
  ];
  return all.filter((output) => output.kind !== "stream" || output.text !== "");
}

/** Adds a return value that is not among the results, and to one that is its structure, if that helps to read it. */
function addValue(outputs: Output[], value: string): void {
  if (value === "") return;
  const at = outputs.findIndex((output) => output.kind === "result" && output.isValue);
  const main = outputs[at];
  if (main?.kind !== "result") {
    outputs.push({ kind: "result", data: withTree({ "text/plain": value }, value), isValue: true });
  } else if (isPlain(main.data)) {
    const data = withTree(main.data, value);
    if (data !== main.data) outputs[at] = { ...main, data };
  }
}

function withTree(data: Data, value: string): Data {
  const text = data["text/plain"];
  if (typeof text === "string" && text.length <= LONGEST_TEXT_OF_TREE) return data;
  // A number of so many digits would lose some.
  if (!/^[[{]/.test(value) || value.length > MOST_TREE || /\d{16}/.test(value)) return data;
  try {
    return { ...data, "application/json": JSON.parse(value) as unknown };
  } catch {
    return data;
  }
}

/** Makes the report of the exception an output of its own. */
function separateError(outputs: Output[], language: string): void {
  const at = outputs.findLastIndex((one) => one.kind === "stream" && one.stream === "stderr");
  const last = outputs[at];
  if (last?.kind !== "stream") return;
  const split = splitError(last.text, language);
  if (!split) return;
  const before: Output[] = split.before === "" ? [] : [{ ...last, text: split.before }];
  outputs.splice(at, 1, ...before, split.error);
}
