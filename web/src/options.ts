// What goes with a program: input, packages, limits, and the token that lets it in.

import type { Priority } from "./api.ts";
import { byId } from "./dom.ts";
import { JsonEditor } from "./editor.ts";
import { apiToken } from "./token.ts";

export class Options {
  readonly input: JsonEditor;
  readonly #part = byId<HTMLDetailsElement>("options");
  readonly #packages = byId<HTMLInputElement>("packages");
  readonly #timeout = byId<HTMLInputElement>("timeout");
  readonly #priority = byId<HTMLSelectElement>("priority");
  readonly #token = byId<HTMLInputElement>("token");

  constructor(nonce: string, onRun: () => void, onChange: () => void) {
    const changed = () => {
      this.#summarise();
      onChange();
    };
    this.input = new JsonEditor(byId("input"), nonce, { "Mod-Enter": onRun }, changed);
    this.#token.value = apiToken.value;
    this.#token.addEventListener("input", () => (apiToken.value = this.#token.value));
    this.#token.addEventListener("keydown", ({ key }) => {
      if (key === "Enter") onRun();
    });
    for (const field of [this.#packages, this.#timeout, this.#priority, this.#token]) {
      field.addEventListener("input", changed);
    }
    this.#summarise();
  }

  get packagesText(): string {
    return this.#packages.value;
  }

  /** Takes over what comes with a program, and shows it if there is any. */
  set(input: string, packages: string): void {
    this.input.text = input;
    this.#packages.value = packages;
    this.#summarise();
    this.#part.open = input !== "" || packages !== "";
  }

  get packages(): string[] {
    return this.#packages.value.split(/[\s,]+/).filter((name) => name !== "");
  }

  get timeout(): number | undefined {
    return this.#timeout.value === "" ? undefined : this.#timeout.valueAsNumber;
  }

  get priority(): Priority {
    return this.#priority.value as Priority;
  }

  /** Why nothing can be sent like this; shows the field. Undefined if all is well. */
  findProblem(): string | undefined {
    const inputProblem = this.input.problem;
    if (inputProblem !== undefined) {
      this.#part.open = true;
      this.input.focus();
      return `The input is no JSON: ${inputProblem}`;
    }
    if (!this.#timeout.validity.valid) {
      this.#part.open = true;
      this.#timeout.focus();
      return "The timeout must be a whole number of milliseconds from 1 on.";
    }
    return undefined;
  }

  askForToken(): void {
    this.#part.open = true;
    this.#token.value = apiToken.value;
    this.#token.focus();
  }

  /** What is set, in a few words, for when the part is closed. */
  #summarise(): void {
    const set = [
      this.input.text.trim() === "" ? "" : "input",
      this.packages.join(", "),
      this.#timeout.value === "" ? "" : `${this.#timeout.value} ms`,
      this.priority === "normal" ? "" : `${this.priority} priority`,
      apiToken.value === "" ? "" : "token",
    ].filter((text) => text !== "");
    byId("options-summary").textContent = set.join(" · ");
  }
}
