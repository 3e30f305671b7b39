/** What comes while a program runs, as server-sent events. */

import { FaasConnectionError, FaasError, InvalidAnswerError, ServerError } from "./errors.js";
import { RunResult, ShownResult } from "./results.js";
import type { Round } from "./tools.js";

/** How far the packages are that a program waits for. */
export interface Progress {
  packages: string[];
  stage: "waiting" | "fetching" | "installing" | "ready";
  file?: string;
  /** What was fetched so far. */
  files: number;
  bytes: number;
}

/** The last one is `result`. */
export type FaasEvent =
  | { type: "stdout"; text: string }
  | { type: "stderr"; text: string }
  | { type: "display"; result: ShownResult }
  | ({ type: "progress" } & Progress)
  /** What the program wants to know: its tools are called when the next event is asked for. */
  | ({ type: "tool_calls" } & Round)
  | { type: "result"; result: RunResult };

/** An answer whose body is read bit by bit. */
export interface Opened {
  response: Response;
  /** Waits for the next part, but not for ever. */
  read(): Promise<Uint8Array | undefined>;
  close(): void;
}

/** What a program prints and displays, as it does. It starts when it is read; to stop reading ends it. */
export class RunStream implements AsyncIterable<FaasEvent> {
  readonly #events: AsyncGenerator<FaasEvent, void, undefined>;
  readonly #answer: (round: Round) => Promise<void>;
  #result: RunResult | undefined;

  /** @internal */
  constructor(open: () => Promise<Opened>, answer: (round: Round) => Promise<void>) {
    this.#answer = answer;
    this.#events = this.#read(open);
  }

  [Symbol.asyncIterator](): AsyncGenerator<FaasEvent, void, undefined> {
    return this.#events;
  }

  /** Reads what is left, and returns how the program ended. */
  async result(): Promise<RunResult> {
    for await (const event of this.#events) void event;
    if (!this.#result) throw new FaasError("the stream was left before its end");
    return this.#result;
  }

  async *#read(open: () => Promise<Opened>): AsyncGenerator<FaasEvent, void, undefined> {
    const opened = await open();
    const parser = new EventParser(opened.response.headers.get("X-Request-Id") ?? undefined);
    try {
      for (let chunk = await opened.read(); chunk; chunk = await opened.read()) {
        for (const event of parser.feed(chunk)) {
          if (event.type === "result") this.#result = event.result;
          yield event;
          if (event.type === "tool_calls") await this.#answer(event);
        }
      }
    } finally {
      opened.close();
    }
    if (!this.#result) {
      throw new FaasConnectionError("the stream broke off before the program's end was told");
    }
  }
}

/** Makes events of the bytes of a stream, as they come. */
class EventParser {
  readonly #decoder = new TextDecoder();
  readonly #request_id: string | undefined;
  #rest = "";
  #name = "";
  #data: string[] = [];

  constructor(request_id: string | undefined) {
    this.#request_id = request_id;
  }

  *feed(chunk: Uint8Array): Generator<FaasEvent> {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, field, value] = /^([^:\r]*):? ?(.*?)\r?$/s.exec(line) ?? [];
      if (field === "event") this.#name = value ?? "";
      else if (field === "data") this.#data.push(value ?? "");
      else if (line.trim() === "" && this.#data.length > 0) {
        const event = this.#event();
        [this.#name, this.#data] = ["", []];
        if (event) yield event;
      }
    }
  }

  #event(): FaasEvent | undefined {
    const body = this.#body();
    switch (this.#name) {
      case "stdout":
      case "stderr":
        return { type: this.#name, text: body.text };
      case "display":
        return { type: "display", result: new ShownResult(body) };
      case "tool_calls":
      case "progress":
        return { type: this.#name, ...body };
      case "result":
        return { type: "result", result: new RunResult(body, this.#request_id) };
      case "error":
        throw new ServerError({ ...body, request_id: this.#request_id });
      default:
        // Of a newer service.
        return undefined;
    }
  }

  // What the service sends is described by docs/openapi.json and docs/api.md.
  #body(): any {
    try {
      return JSON.parse(this.#data.join("\n"));
    } catch (cause) {
      throw new InvalidAnswerError("the stream is not one of faas-server", { cause });
    }
  }
}
