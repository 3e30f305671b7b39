/// <reference lib="esnext.disposable" preserve="true" />
/** States that programs go on from. */

import type {
  Call,
  FileContent,
  RequestOptions,
  RunOptions,
  Sender,
  StreamOptions,
} from "./client.js";
import { GoneError } from "./errors.js";
import type { RunResult } from "./results.js";
import type * as wire from "./schema.js";
import type { RunStream } from "./stream.js";

/** A cell waits for those before it, and a change of a file for cells, in ms. */
const LONGEST_TURN = 60_000;

/** What a session begins with. All of it is optional; times are in ms. */
export interface SessionOptions extends Omit<wire.SessionRequest, "language" | "files" | "from"> {
  /** Python if absent. */
  language?: wire.Language;
  /** Files for its working directory, by name. */
  files?: Record<string, FileContent>;
  /** What it begins with, instead of packages. */
  from?: wire.Snapshot | string;
}

/** A state that cells go on from, one after the other. `await using` ends it, where there is that. */
export class Session {
  /** Names it: the option `session` of `run`. */
  readonly id: string;
  /** As the service told of it last. */
  info: wire.Session;
  /** In its working directory. */
  readonly files: FilesOfSession;
  readonly #sender: Sender;

  /** @internal */
  constructor(sender: Sender, info: wire.Session) {
    this.#sender = sender;
    this.id = info.id;
    this.info = info;
    this.files = new FilesOfSession(sender, this);
  }

  /** Runs a cell, as `Faas.run`: `RunResult.session` says what became of the session. */
  run(code: string | undefined, options: RunOptions = {}): Promise<RunResult> {
    return this.#sender.run(code, { ...options, session: this.id });
  }

  /** Runs a cell whose output comes while it runs, as `Faas.stream`. */
  stream(code: string | undefined, options: StreamOptions = {}): RunStream {
    return this.#sender.stream(code, { ...options, session: this.id });
  }

  /** What the service tells of it now. That is no use of it, and does not put off its end. */
  refresh(options?: RequestOptions): Promise<wire.Session> {
    return this.told(this.call("GET", "", options));
  }

  /** Opens sessions that go on from the same state. */
  async fork(count = 1, options?: RequestOptions): Promise<Session[]> {
    const call = { ...this.call("POST", "/fork", options), expected: [201] };
    const body = JSON.stringify({ count });
    const { sessions } = await this.#sender.json<wire.SessionList>({ ...call, body });
    return sessions.map((info) => new Session(this.#sender, info));
  }

  /** Goes back to what it was before its last cells. Throws a ConflictError if it cannot so far. */
  undo(steps = 1, options?: RequestOptions): Promise<wire.Session> {
    const body = JSON.stringify({ steps });
    return this.told({ ...this.call("POST", "/undo", options), body });
  }

  /** Goes back to where it began. */
  restart(options?: RequestOptions): Promise<wire.Session> {
    return this.told({ ...this.call("POST", "/restart", options), repeatable: true });
  }

  /** Interrupts the cell that runs; false if none does. */
  async interrupt(options?: RequestOptions): Promise<boolean> {
    const call = this.call("POST", "/interrupt", options);
    return (await this.#sender.json<wire.Interrupted>(call)).interrupted;
  }

  /** Its variables, at most 1,000. */
  variables(options?: RequestOptions): Promise<wire.Variables> {
    return this.#sender.json(this.call("GET", "/variables", options));
  }

  /** Ends it. */
  async delete(options?: RequestOptions): Promise<void> {
    await this.#sender.bytes({ ...this.call("DELETE", "", options), expected: [204] });
  }

  /** Ends it. It may have ended by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.delete();
    } catch (error) {
      if (!(error instanceof GoneError)) throw error;
    }
  }

  /** @internal */
  call(method: Call["method"], path: string, options?: RequestOptions): Call {
    return {
      method,
      path: `sessions/${encodeURIComponent(this.id)}${path}`,
      headers: { "X-Session": this.id, Accept: "*/*" },
      runsFor: LONGEST_TURN,
      repeatable: method === "GET",
      signal: options?.signal,
    };
  }

  /** @internal */
  async told(call: Call): Promise<wire.Session> {
    return (this.info = await this.#sender.json<wire.Session>(call));
  }
}

/** The files in the working directory of a session. */
export class FilesOfSession {
  readonly #sender: Sender;
  readonly #session: Session;

  /** @internal */
  constructor(sender: Sender, session: Session) {
    this.#sender = sender;
    this.#session = session;
  }

  /** All of them, at most 1,000. */
  list(options?: RequestOptions): Promise<wire.SessionFiles> {
    return this.#sender.json(this.#session.call("GET", "/files", options));
  }

  /** Throws a NotFoundError if there is none. */
  get(path: string, options?: RequestOptions): Promise<Uint8Array> {
    return this.#sender.bytes(this.#call("GET", path, options));
  }

  /** Writes a file. That is a step, which can be undone. */
  put(path: string, content: FileContent, options?: RequestOptions): Promise<wire.Session> {
    const body = typeof content === "string" ? content : new Uint8Array(content);
    const contentType = "application/octet-stream";
    return this.#session.told({ ...this.#call("PUT", path, options), body, contentType });
  }

  /** Deletes a file. That is a step, too. */
  delete(path: string, options?: RequestOptions): Promise<wire.Session> {
    return this.#session.told(this.#call("DELETE", path, options));
  }

  #call(method: Call["method"], path: string, options?: RequestOptions): Call {
    const encoded = path.split("/").map(encodeURIComponent).join("/");
    return this.#session.call(method, `/files/${encoded}`, options);
  }
}
