// What a program prints. It is hostile: it becomes text nodes and nothing else.

import type { Stream } from "./api.ts";
import { make } from "./dom.ts";
import { findLocations, type Location } from "./links.ts";
import { Terminal } from "./terminal.ts";

interface Chunk {
  stream: Stream;
  text: string;
}

export class OutputConsole {
  readonly #element: HTMLElement;
  readonly #onLocation: (location: Location) => void;
  /** Came, and not shown yet. */
  #waiting: Chunk[] = [];
  #frame = 0;
  /** Of each stream, how its line stands. */
  #terminals: Record<Stream, Terminal> = { stdout: new Terminal(), stderr: new Terminal() };
  readonly #received: Record<Stream, string[]> = { stdout: [], stderr: [] };

  constructor(element: HTMLElement, onLocation: (location: Location) => void) {
    this.#element = element;
    this.#onLocation = onLocation;
  }

  clear(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#waiting = [];
    this.#terminals = { stdout: new Terminal(), stderr: new Terminal() };
    this.#received.stdout = [];
    this.#received.stderr = [];
    this.#element.replaceChildren();
  }

  /** Everything received of a stream. */
  text(stream: Stream): string {
    return this.#received[stream].join("");
  }

  /** Adds output; it is shown with the next frame, however many pieces come until then. */
  append(stream: Stream, text: string): void {
    if (text === "") return;
    this.#received[stream].push(text);
    const last = this.#waiting.at(-1);
    if (last?.stream === stream) last.text += text;
    else this.#waiting.push({ stream, text });
    this.#frame ||= requestAnimationFrame(() => this.#show());
  }

  /** The execution is over: shows what is left and turns places in the program into links. */
  finish(): void {
    cancelAnimationFrame(this.#frame);
    this.#show();
    for (const span of this.#element.querySelectorAll<HTMLElement>(":scope > span")) {
      const text = span.textContent;
      const pieces = findLocations(text);
      if (!pieces.some((piece) => piece.location)) continue;
      span.replaceChildren(
        ...pieces.map(({ text, location }) => (location ? this.#link(text, location) : text)),
      );
    }
  }

  #show(): void {
    this.#frame = 0;
    const box = this.#element;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    for (const { stream, text } of this.#waiting) this.#put(stream, text);
    this.#waiting = [];
    if (atEnd) box.scrollTop = box.scrollHeight;
  }

  #put(stream: Stream, text: string): void {
    const last = this.#element.lastElementChild;
    const shown = last?.className === stream ? last.lastChild : null;
    if (!(shown instanceof Text)) this.#terminals[stream].leaveLine();
    const change = this.#terminals[stream].push(text);
    if (shown instanceof Text) {
      shown.replaceData(shown.length - change.back, change.back, change.text);
    } else if (change.text !== "") {
      this.#element.append(make("span", { class: stream }, change.text));
    }
  }

  #link(text: string, location: Location): HTMLAnchorElement {
    const link = make("a", { href: `#L${location.line}`, title: titleOf(location) }, text);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.#onLocation(location);
    });
    return link;
  }
}

function titleOf({ cell, line }: Location): string {
  return cell === undefined ? `Go to line ${line}` : `Go to line ${line} of cell ${cell}`;
}
