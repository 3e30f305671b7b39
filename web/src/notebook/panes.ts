// Beside the cells: the variables and files of the session, and the caller's sessions.

import { type Language, messageOf } from "../api.ts";
import { button, byId, make } from "../dom.ts";
import { formatBytes, formatCount } from "../format.ts";
import { saveFile } from "../save.ts";
import { type FileOfSession, isGone, type Session, sessions, type Variables } from "../sessions.ts";
import type { Column } from "./column.ts";

/** What the panes ask of the notebook. */
export interface PanesHost {
  readonly columns: readonly Column[];
  readonly active: Column;
  readonly language: Language;
  announce(text: string): void;
  /** Has the cells go on in this session. */
  use(session: Session): void;
  /** Has the cells go on in a new session. */
  begin(): Promise<void>;
}

export class Panes {
  readonly #host: PanesHost;
  readonly #variables = byId("variables");
  readonly #files = byId("session-files");
  readonly #sessions = byId("sessions");
  readonly #upload = byId<HTMLInputElement>("upload");
  readonly #drop = byId("files-pane");
  /** Of the last refresh; answers to older ones come too late. */
  #turn = 0;

  constructor(host: PanesHost) {
    this.#host = host;
    byId("upload-button").addEventListener("click", () => this.#upload.click());
    this.#upload.addEventListener("change", () => {
      void this.#put([...(this.#upload.files ?? [])]);
      this.#upload.value = "";
    });
    this.#drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.#drop.classList.add("dropping");
    });
    this.#drop.addEventListener("dragleave", () => this.#drop.classList.remove("dropping"));
    this.#drop.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#drop.classList.remove("dropping");
      void this.#put([...(event.dataTransfer?.files ?? [])]);
    });
    byId("new-session").addEventListener("click", () => void host.begin());
  }

  /** Asks for everything again. What fails is left as it was: the cells tell of a server that is away. */
  async refresh(): Promise<void> {
    const turn = ++this.#turn;
    const { active, columns } = this.#host;
    const other = columns.find((column) => column !== active);
    const [all, here, there] = await Promise.all([
      sessions.list().catch(() => undefined),
      active.list(),
      other?.list(),
    ]);
    if (turn !== this.#turn) return;
    this.#showVariables(here.variables, there?.variables);
    this.#showFiles(here.files ?? []);
    if (all) this.#showSessions(all);
  }

  /** With those of the other column, what differs is marked. */
  #showVariables(variables: Variables | undefined, others: Variables | undefined): void {
    if (!variables || variables.variables.length === 0) {
      this.#variables.replaceChildren(make("p", { class: "note" }, "No variables yet."));
      return;
    }
    const there = new Map(others?.variables.map(({ name, repr }) => [name, repr]));
    const rows = variables.variables.map(({ name, type, size, repr }) => {
      const differs = others !== undefined && there.get(name) !== repr;
      const about = size === null ? type : `${type}, ${formatBytes(size)}`;
      const row = make(
        "tr",
        {},
        make(
          "th",
          { scope: "row" },
          make("bdi", {}, name),
          ...(differs ? [make("span", { class: "differs" }, "differs")] : []),
          make("small", {}, about),
        ),
        make("td", { title: repr.slice(0, 500) }, make("bdi", {}, repr.slice(0, 200))),
      );
      return row;
    });
    const table = make("table", { "aria-label": "Variables" }, make("tbody", {}, ...rows));
    const more = variables.more;
    this.#variables.replaceChildren(
      table,
      ...(more > 0 ? [make("p", { class: "note" }, `and ${more.toLocaleString("en")} more`)] : []),
    );
  }

  #showFiles(files: FileOfSession[]): void {
    if (files.length === 0) {
      this.#files.replaceChildren(make("p", { class: "note" }, "No files yet. Drop some here."));
      return;
    }
    const items = files.map(({ name, size }) =>
      make(
        "li",
        {},
        make("span", { class: "file-name" }, name),
        make("span", { class: "file-size" }, formatBytes(size)),
        action("↓", `Download ${name}`, () => this.#download(name)),
        action("✕", `Delete ${name}`, () => this.#delete(name)),
      ),
    );
    this.#files.replaceChildren(make("ul", {}, ...items));
  }

  async #put(files: File[]): Promise<void> {
    const { active } = this.#host;
    await this.#try(async () => {
      for (const file of files) {
        const session = await active.open();
        if (!session) return;
        await sessions.putFile(session.id, file.name, file);
        await active.fileChanged();
        this.#host.announce(`Uploaded ${file.name}`);
      }
    });
    await this.refresh();
    byId("upload-button").focus();
  }

  async #download(name: string): Promise<void> {
    const id = this.#host.active.session;
    if (id === undefined) return;
    await this.#try(async () => saveFile(name, await sessions.readFile(id, name)));
  }

  async #delete(name: string): Promise<void> {
    const { active } = this.#host;
    const id = active.session;
    if (id === undefined) return;
    await this.#try(async () => {
      await sessions.deleteFile(id, name);
      this.#host.announce(`Deleted ${name}; Step back brings it back`);
      await active.fileChanged();
    });
    await this.refresh();
    byId("upload-button").focus();
  }

  #showSessions(all: Session[]): void {
    if (all.length === 0) {
      const text = "None yet. The first cell opens one.";
      this.#sessions.replaceChildren(make("p", { class: "note" }, text));
      return;
    }
    const items = all.map((session) => {
      const isUsed = this.#host.columns.some((column) => column.session === session.id);
      const isActive = this.#host.active.session === session.id;
      const name = nameOf(session);
      const cells = formatCount(session.cells, "cell");
      const until = new Date(session.expires_at).toLocaleTimeString([], {
        hour: "2-digit",
        minute: "2-digit",
      });
      const use = make(
        "button",
        { type: "button", class: "session-name", "aria-pressed": String(isActive) },
        make("bdi", {}, name),
        make(
          "small",
          {},
          `${session.language}, ${cells}, ${isUsed ? "here" : `until ${until} if unused`}`,
        ),
      );
      use.addEventListener("click", () => {
        if (!isUsed) this.#host.use(session);
      });
      return make(
        "li",
        {},
        use,
        action("✕", `End session ${name}`, () => this.#end(session)),
      );
    });
    this.#sessions.replaceChildren(make("ul", {}, ...items.reverse()));
  }

  async #end(session: Session): Promise<void> {
    await this.#try(async () => {
      await sessions.end(session.id);
      this.#host.announce(`Ended session ${nameOf(session)}`);
    });
    for (const column of this.#host.columns) {
      if (column.session === session.id) await column.check();
    }
    await this.refresh();
    byId("new-session").focus();
  }

  async #try(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (isGone(error)) await this.#host.active.check();
      const details =
        "details" in (error as object) ? `. ${(error as { details: string }).details}` : "";
      this.#host.announce(`${messageOf(error)}${details}`);
    }
  }
}

/** What people call a session: its name, or the start of its id. */
function nameOf({ id, name }: Session): string {
  return name ?? id.replace(/^sess-(?:.*-)?/, "").slice(0, 6);
}

function action(text: string, name: string, what: () => Promise<void>): HTMLButtonElement {
  return button(text, () => void what(), { "aria-label": name, title: name });
}
