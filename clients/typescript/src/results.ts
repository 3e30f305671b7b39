/** What a program left, with bytes where the service sends base64. */

import { InvalidAnswerError, ProgramError } from "./errors.js";
import type * as wire from "./schema.js";

/** How a program ended. */
export type Status = Exclude<wire.AnswerStatus, "tool_calls">;

/** A file that a program handed back. */
export class OutputFile {
  /** As the program chose it, which is not to be trusted: it may have directories. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Media type of a figure. */
  readonly mime: string | undefined;

  constructor(file: wire.OutputFile) {
    this.name = file.name;
    this.bytes = fromBase64(file.content_base64);
    this.mime = file.mime;
  }

  get size(): number {
    return this.bytes.length;
  }

  /** Throws a TypeError if the content is not UTF-8. */
  get text(): string {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.bytes);
  }
}

/**
 * What a program displayed, or the value that it ended with, in several ways. HTML is as untrusted as the program.
 */
export class ShownResult {
  readonly is_main_result: boolean;
  /** By media type: texts, JSON, bytes in base64. */
  readonly data: Record<string, unknown>;

  constructor(shown: wire.ShownResult) {
    this.is_main_result = shown.is_main_result;
    this.data = shown.data;
  }

  get text(): string | undefined {
    return this.#text("text/plain");
  }

  get html(): string | undefined {
    return this.#text("text/html");
  }

  get markdown(): string | undefined {
    return this.#text("text/markdown");
  }

  get svg(): string | undefined {
    return this.#text("image/svg+xml");
  }

  get latex(): string | undefined {
    return this.#text("text/latex");
  }

  get json(): unknown {
    return this.data["application/json"];
  }

  get png(): Uint8Array | undefined {
    return this.#bytes("image/png");
  }

  get jpeg(): Uint8Array | undefined {
    return this.#bytes("image/jpeg");
  }

  get pdf(): Uint8Array | undefined {
    return this.#bytes("application/pdf");
  }

  /** The data of a figure of matplotlib, as E2B's clients know it. */
  get chart(): unknown {
    return this.data["e2b/chart"];
  }

  #text(mediaType: string): string | undefined {
    const content = this.data[mediaType];
    return typeof content === "string" ? content : undefined;
  }

  #bytes(mediaType: string): Uint8Array | undefined {
    const content = this.#text(mediaType);
    return content === undefined ? undefined : fromBase64(content);
  }
}

/** How a program ended, and what it left. A program that failed has one, too. */
export class RunResult {
  readonly status: Status;
  readonly exit_code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What the program returned: JSON, or a text as it is. Empty if it returned nothing. */
  readonly text: string;
  /** By name. */
  readonly files: ReadonlyMap<string, OutputFile>;
  /** Figures of matplotlib, as PNG. */
  readonly figures: OutputFile[];
  /** What a notebook would show, in its order. */
  readonly results: ShownResult[];
  readonly language: wire.Language;
  readonly runtime: wire.Runtime;
  /** Wall time. */
  readonly duration_ms: number;
  readonly timed_out: boolean;
  /** Whether there was more output than is kept. */
  readonly truncated: boolean;
  readonly usage: wire.Usage;
  /** Names the execution in the history and in the audit log. */
  readonly task_id: string;
  /** The sandbox. */
  readonly instance_id: string;
  /** Names the request in the logs of the service. */
  readonly request_id: string | undefined;
  /** What the program left, if it was to be kept and could be. */
  readonly snapshot: wire.Snapshot | undefined;
  /** Why it was not kept, although it was to be. */
  readonly not_kept: string | undefined;
  /** What became of its session, if it was a cell of one. */
  readonly session: wire.SessionOfCell | undefined;
  /** If they were asked for. */
  readonly timings: wire.Timings | undefined;

  constructor(answer: wire.RunResponse, request_id?: string | undefined) {
    const { output, metadata } = answer;
    if (!output || !metadata) throw new InvalidAnswerError("the answer is not one of faas-server");
    // Answers of programs that wait become no results.
    this.status = metadata.status as Status;
    this.exit_code = metadata.exit_code;
    this.stdout = output.stdout;
    this.stderr = output.stderr;
    this.text = output.ret_val;
    const files = output.files.map((file) => new OutputFile(file));
    this.files = new Map(files.map((file) => [file.name, file]));
    this.figures = output.artifacts.map((file) => new OutputFile(file));
    this.results = output.results.map((shown) => new ShownResult(shown));
    this.language = metadata.language;
    this.runtime = metadata.runtime;
    this.duration_ms = metadata.duration;
    this.timed_out = metadata.timed_out;
    this.truncated = metadata.truncated;
    this.usage = metadata.usage;
    this.task_id = metadata.task_id;
    this.instance_id = metadata.instance_id;
    this.request_id = request_id;
    this.snapshot = metadata.snapshot;
    this.not_kept = metadata.not_kept;
    this.session = metadata.session;
    this.timings = metadata.timings;
  }

  /** Whether the program ran to its end. */
  get ok(): boolean {
    return this.status === "success";
  }

  /**
   * What the program returned: parsed if it is JSON, else the text; undefined if it returned nothing. A program that
   * returns the text "42" and one that returns the number are not told apart.
   */
  get value(): unknown {
    if (this.text === "") return undefined;
    try {
      return JSON.parse(this.text);
    } catch {
      return this.text;
    }
  }

  /** What went wrong, undefined if nothing did. Its message is the last line of stderr without the stack. */
  get error(): ProgramError | undefined {
    if (this.ok) return undefined;
    // JavaScript's stack comes after its message, Python's before.
    const said = this.stderr.match(/^\w.*/gm)?.at(-1);
    return new ProgramError(said ?? `${this.status}: exit code ${this.exit_code}`, this);
  }

  /** Returns the result itself. Throws a ProgramError if the program did not run to its end. */
  raiseForError(): this {
    const error = this.error;
    if (error) throw error;
    return this;
  }
}

/** Throws if the text is not base64. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  // Arguments of a call are limited.
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}
