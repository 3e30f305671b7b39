// What a program shows, in its order, while it runs and when it has ended.

import type { OutputFile, ShownResult } from "./api.ts";
import { captionOf } from "./artifacts.ts";
import { make } from "./dom.ts";
import { isPlain, represent, type Shown } from "./representation.ts";

export class ResultList {
  readonly #part: HTMLElement;
  readonly #box: HTMLElement;
  #results: ShownResult[] = [];
  #shown: Shown[] = [];

  constructor(part: HTMLElement, box: HTMLElement) {
    this.#part = part;
    this.#box = box;
  }

  clear(): void {
    this.#results = [];
    this.#shown = [];
    this.#box.replaceChildren();
    this.#part.hidden = true;
  }

  /** A result that came while the program runs. */
  add(result: ShownResult): void {
    // Its text is the return value, which comes with the answer.
    if (result.is_main_result && isPlain(result.data)) return;
    this.#append(result);
  }

  /**
   * The program is over. Says whether the return value is shown as one of the results, and which files are
   * not shown with one.
   */
  finish(
    results: ShownResult[],
    value: string,
    files: OutputFile[],
  ): { saysValue: boolean; filesLeft: OutputFile[] } {
    const wanted = results.filter(
      ({ is_main_result, data }) => !is_main_result || !isPlain(data) || value === "",
    );
    // What came before stays as it is, with what was folded and sorted; the answer decides what there is.
    const same = JSON.stringify(wanted.slice(0, this.#results.length));
    if (same !== JSON.stringify(this.#results)) this.clear();
    for (const result of wanted.slice(this.#results.length)) this.#append(result);
    const main = wanted.find((result) => result.is_main_result);
    return { saysValue: main?.data["text/plain"] === value, filesLeft: this.#caption(files) };
  }

  #append(result: ShownResult): void {
    this.#results.push(result);
    const name = `Result ${this.#results.length}`;
    const shown = represent(result.data, name);
    this.#shown.push(shown);
    const attributes = { class: "shown", role: "group", "aria-label": `${name}, ${shown.kind}` };
    this.#box.append(make("div", attributes, shown.element));
    this.#part.hidden = false;
  }

  /** Has pictures that came as a file, too, say so; returns the other files. */
  #caption(files: OutputFile[]): OutputFile[] {
    const bare = this.#shown.filter(({ base64 }) => base64 !== undefined);
    return files.filter((file) => {
      const at = bare.findIndex(({ base64 }) => base64 === file.content_base64);
      const [picture] = at < 0 ? [] : bare.splice(at, 1);
      picture?.element.append(captionOf(file));
      return !picture;
    });
  }
}
