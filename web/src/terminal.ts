// What a program prints, as a terminal shows it: a carriage return begins the line again, so that progress bars stay
// one line; colours and moves of the cursor are left out; characters that turn text around are named instead.

/** What is longer is no bar, and is not written over: each time would take as long as the line. */
const LONGEST_LINE = 1000;
/** Longer, and a sequence that is not ended is no sequence. */
const LONGEST_SEQUENCE = 4096;

// Control sequences (colours, moves), operating system commands (titles, links), and those of two characters.
const SEQUENCE =
  /\u001b(?:\[[0-?]*[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[ -/]*[0-Z\\^-~])/y;
/** They reorder what is behind them, so that text reads as something else. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;

/** How the text that is shown changes: so many characters at its end go, then these come. */
export interface Change {
  back: number;
  text: string;
}

export class Terminal {
  /** The line that is not ended, as it is shown. */
  #line = "";
  /** Where in it the next character goes. */
  #column = 0;
  /** The start of a sequence that is still to come. */
  #rest = "";

  /** What `text` changes. */
  push(text: string): Change {
    const input = this.#rest + text;
    this.#rest = "";
    if (
      !/[\r\b\u001b\u202a-\u202e\u2066-\u2069]/.test(input) &&
      this.#column === this.#line.length
    ) {
      // As nearly all output is.
      const end = input.lastIndexOf("\n") + 1;
      this.#line = end > 0 ? input.slice(end) : this.#line + input;
      this.#column = this.#line.length;
      return { back: 0, text: input };
    }
    return this.#read(input);
  }

  /** What comes now is elsewhere: the line stays as it is. */
  leaveLine(): void {
    this.#line = "";
    this.#column = 0;
  }

  #read(input: string): Change {
    const before = this.#line;
    const done: string[] = [];
    let at = 0;
    while (at < input.length) {
      const char = input[at] ?? "";
      if (char === "\n") {
        done.push(this.#line, "\n");
        this.leaveLine();
        at++;
      } else if (this.#line.length > LONGEST_LINE && (char === "\r" || char === "\b")) {
        done.push(this.#line, "\n");
        this.leaveLine();
      } else if (char === "\r") {
        this.#column = 0;
        at++;
      } else if (char === "\b") {
        this.#column = Math.max(0, this.#column - 1);
        at++;
      } else if (char === "\u001b") {
        const length = this.#sequence(input, at);
        if (length === undefined) break;
        at += length;
      } else {
        const end = nextControl(input, at);
        this.#write(input.slice(at, end).replace(TURNING, nameOf));
        at = end;
      }
    }
    const after = done.join("") + this.#line;
    let same = 0;
    while (same < before.length && before[same] === after[same]) same++;
    return { back: before.length - same, text: after.slice(same) };
  }

  #write(text: string): void {
    const behind = this.#line.slice(this.#column + text.length);
    this.#line = this.#line.slice(0, this.#column) + text + behind;
    this.#column += text.length;
  }

  /** The length of the sequence that begins here; undefined if the rest of it is still to come. */
  #sequence(input: string, at: number): number | undefined {
    SEQUENCE.lastIndex = at;
    const found = SEQUENCE.exec(input);
    if (!found) {
      const begun = input.slice(at, at + LONGEST_SEQUENCE);
      const isOver = begun.length === LONGEST_SEQUENCE || /[\n\r]/.test(begun);
      if (isOver) return 1;
      this.#rest = input.slice(at);
      return undefined;
    }
    // Erase the line, from here or whole.
    if (found[1] === "K") {
      this.#line = found[0].includes("2K") ? "" : this.#line.slice(0, this.#column);
      this.#column = Math.min(this.#column, this.#line.length);
    }
    return found[0].length;
  }
}

function nextControl(input: string, from: number): number {
  for (let at = from; at < input.length; at++) {
    const char = input[at];
    if (char === "\n" || char === "\r" || char === "\b" || char === "\u001b") return at;
  }
  return input.length;
}

function nameOf(char: string): string {
  return `<U+${char.charCodeAt(0).toString(16).toUpperCase()}>`;
}
