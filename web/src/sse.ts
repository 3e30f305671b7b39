// Server-sent events read from a fetch body.

export interface SseEvent {
  event: string;
  data: string;
}

/** Splits text that comes in pieces into events, as the HTML standard says. */
export class SseParser {
  #rest = "";
  #event = "";
  #data: string[] = [];

  /** The events that `text` completes. */
  push(text: string): SseEvent[] {
    const events: SseEvent[] = [];
    const buffer = this.#rest + text;
    const ends = /[\r\n]/g;
    let start = 0;
    for (let end = ends.exec(buffer); end; end = ends.exec(buffer)) {
      const at = end.index;
      // A CR at the very end may be half of a CRLF.
      if (buffer[at] === "\r" && at + 1 === buffer.length) break;
      this.#line(buffer.slice(start, at), events);
      start = at + (buffer.startsWith("\r\n", at) ? 2 : 1);
      ends.lastIndex = start;
    }
    this.#rest = buffer.slice(start);
    return events;
  }

  #line(line: string, events: SseEvent[]): void {
    if (line === "") {
      if (this.#data.length > 0) {
        events.push({ event: this.#event || "message", data: this.#data.join("\n") });
      }
      this.#event = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
  }
}

/** The events of a body, as they come. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<SseEvent> {
  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    // To stop listening ends the request, and so the execution.
    reader.cancel().catch(() => {});
  }
}
