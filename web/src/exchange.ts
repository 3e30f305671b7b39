// What was asked and answered, for those who go on without the page: a line for curl, the answer as it is, and where
// the history has it.

import { type Program, requestBody, type RunResponse } from "./api.ts";
import { byId } from "./dom.ts";
import { layOutJson } from "./json.ts";
import { saveFile } from "./save.ts";
import { apiToken } from "./token.ts";

/** What is longer is cut where it is shown. */
const MOST_SHOWN = 100_000;

export class Exchange {
  readonly #part = byId<HTMLDetailsElement>("exchange");
  #curl = "";
  #answer = "";
  #task = "";

  constructor() {
    byId("copy-curl").addEventListener("click", () => void this.#copy());
    byId("save-answer").addEventListener("click", () => {
      saveFile(`${this.#task}.json`, this.#answer);
    });
    // The texts may be long, and are seldom looked at.
    this.#part.addEventListener("toggle", () => this.#fill());
  }

  hide(): void {
    this.#part.hidden = true;
  }

  show(program: Program, answer: RunResponse): void {
    this.#curl = curlOf(program);
    this.#answer = JSON.stringify(answer);
    this.#task = answer.metadata.task_id;
    byId("task-id").textContent = this.#task;
    const link = byId<HTMLAnchorElement>("task-link");
    link.href = historyOf(this.#task);
    // A link cannot carry the token.
    link.hidden = apiToken.value !== "";
    this.#part.hidden = false;
    this.#fill();
  }

  #fill(): void {
    if (!this.#part.open) return;
    byId("curl").textContent = cut(this.#curl);
    byId("answer").textContent = cut(layOutJson(this.#answer) ?? this.#answer);
  }

  async #copy(): Promise<void> {
    const copy = byId("copy-curl");
    try {
      await navigator.clipboard.writeText(this.#curl);
      copy.textContent = "Copied";
    } catch {
      // Browsers have a clipboard only for https and localhost.
      getSelection()?.selectAllChildren(byId("curl"));
      copy.textContent = "Selected";
    }
    setTimeout(() => (copy.textContent = "Copy"), 3000);
  }
}

/** Where the history has an execution. */
export function historyOf(task: string): string {
  return `executions/${encodeURIComponent(task)}`;
}

/** The request as a line for a shell. The token is not in it. */
export function curlOf(program: Program): string {
  const address = new URL("run_code", document.baseURI).href;
  const token = apiToken.value === "" ? "" : ' -H "Authorization: Bearer $FAAS_API_TOKEN"';
  return `curl -s ${address}${token} -d ${quoted(requestBody(program))}`;
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function cut(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
