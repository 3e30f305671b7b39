// What goes with a program: input, packages, limits, and the token that lets it in.

import type { InputFile, Priority } from "./api.ts";
import { button, byId, make } from "./dom.ts";
import { JsonEditor } from "./editor.ts";
import { formatCount } from "./format.ts";
import { base64Of } from "./save.ts";
import type { Limits } from "./schema.ts";
import { apiToken } from "./token.ts";

const MIB = 1024 * 1024;

export class Options {
  readonly input: JsonEditor;
  readonly #part = byId<HTMLDetailsElement>("options");
  readonly #packages = byId<HTMLInputElement>("packages");
  readonly #timeout = byId<HTMLInputElement>("timeout");
  readonly #cpu = byId<HTMLInputElement>("cpu-limit");
  readonly #memory = byId<HTMLInputElement>("memory-limit");
  #files: InputFile[] = [];
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
    const numbers = [this.#timeout, this.#cpu, this.#memory];
    for (const field of [this.#packages, ...numbers, this.#priority, this.#token]) {
      field.addEventListener("input", changed);
    }
    const chosen = byId<HTMLInputElement>("files-in");
    byId("add-files").addEventListener("click", () => chosen.click());
    chosen.addEventListener("change", () => {
      void this.#add([...(chosen.files ?? [])]);
      chosen.value = "";
    });
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

  get limits(): Limits | undefined {
    const limits = {
      ...(this.#cpu.value === "" ? {} : { cpu_ms: this.#cpu.valueAsNumber }),
      ...(this.#memory.value === "" ? {} : { memory_bytes: this.#memory.valueAsNumber * MIB }),
    };
    return Object.keys(limits).length === 0 ? undefined : limits;
  }

  get files(): InputFile[] {
    return this.#files;
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
    for (const [field, problem] of [
      [this.#timeout, "The timeout must be a whole number of milliseconds from 1 on."],
      [this.#cpu, "The CPU time must be a whole number of milliseconds from 1 on."],
      [this.#memory, "The memory must be a whole number of MiB from 8 on."],
    ] as const) {
      if (field.validity.valid) continue;
      this.#part.open = true;
      field.focus();
      return problem;
    }
    return undefined;
  }

  askForToken(): void {
    this.#part.open = true;
    this.#token.value = apiToken.value;
    this.#token.focus();
  }

  async #add(files: File[]): Promise<void> {
    for (const file of files) {
      const content_base64 = await base64Of(file);
      // Another one of that name takes its place.
      this.#files = this.#files.filter(({ name }) => name !== file.name);
      this.#files.push({ name: file.name, content_base64 });
    }
    this.#showFiles();
  }

  #showFiles(): void {
    const items = this.#files.map(({ name }) => {
      const remove = () => {
        this.#files = this.#files.filter((file) => file.name !== name);
        this.#showFiles();
        byId("add-files").focus();
      };
      const attributes = { "aria-label": `Remove ${name}`, title: `Remove ${name}` };
      const text = make("span", { class: "file-name" }, name);
      return make("li", {}, text, button("✕", remove, attributes));
    });
    byId("files-in-list").replaceChildren(...items);
    this.#summarise();
  }

  /** What is set, in a few words, for when the part is closed. */
  #summarise(): void {
    const set = [
      this.input.text.trim() === "" ? "" : "input",
      this.packages.join(", "),
      this.#timeout.value === "" ? "" : `${this.#timeout.value} ms`,
      this.#cpu.value === "" ? "" : `${this.#cpu.value} ms CPU`,
      this.#memory.value === "" ? "" : `${this.#memory.value} MiB`,
      this.#files.length === 0 ? "" : formatCount(this.#files.length, "file"),
      this.priority === "normal" ? "" : `${this.priority} priority`,
      apiToken.value === "" ? "" : "token",
    ].filter((text) => text !== "");
    byId("options-summary").textContent = set.join(" · ");
  }
}
