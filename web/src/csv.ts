// CSV (RFC 4180), read as it comes and written. Files are what people have: the delimiter may be another one, lines
// end in LF or CRLF, and a damaged file is refused with a sentence that names the line.

/** Longest record, in characters. A quote that is never closed would take the rest of the file. */
const LONGEST_RECORD = 8_000_000;

/** Why a file cannot be read, in a sentence. */
export class Damaged extends Error {
  override name = "Damaged";
  constructor(line: number, what: string) {
    super(`Line ${line.toLocaleString("en")}: ${what}`);
  }
}

export interface CsvRecord {
  cells: string[];
  /** Of the file, from 1. */
  line: number;
}

/** The delimiter of a file by its first line: the one of these that is there most often, outside of quotes. */
export function delimiterOf(line: string): string {
  const bare = line.replace(/"[^"]*"/g, "");
  const count = (delimiter: string) => bare.split(delimiter).length;
  return [",", ";", "\t"].reduce((best, one) => (count(one) > count(best) ? one : best));
}

/** Takes a file apart that comes in pieces. Blank lines mean nothing. */
export class CsvParser {
  readonly #delimiter: string;
  #rest = "";
  #line = 1;

  constructor(delimiter: string) {
    this.#delimiter = delimiter;
  }

  /**
   * The records that `text` completes.
   * @throws Damaged
   */
  push(text: string): CsvRecord[] {
    return this.#take(this.#rest + text, false);
  }

  /**
   * The last record, if its line has no end.
   * @throws Damaged
   */
  finish(): CsvRecord[] {
    return this.#rest === "" ? [] : this.#take(`${this.#rest}\n`, true);
  }

  #take(text: string, isLast: boolean): CsvRecord[] {
    const records: CsvRecord[] = [];
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      const line = text.slice(start, text[end - 1] === "\r" && end > start ? end - 1 : end);
      if (line.includes('"')) {
        const record = this.#readQuoted(text, start);
        if (!record) break;
        records.push({ cells: record.cells, line: this.#line });
        this.#line += record.lines;
        start = record.end;
      } else {
        if (line !== "") records.push({ cells: line.split(this.#delimiter), line: this.#line });
        this.#line++;
        start = end + 1;
      }
    }
    this.#rest = text.slice(start);
    if (isLast && this.#rest !== "") {
      throw new Damaged(this.#line, "a quote that opens in this row is not closed.");
    }
    if (this.#rest.length > LONGEST_RECORD) {
      throw new Damaged(this.#line, "the row does not end; a quote in it may not be closed.");
    }
    return records;
  }

  /** The record that starts here and has quotes; undefined if its end is still to come. */
  #readQuoted(
    text: string,
    start: number,
  ): { cells: string[]; end: number; lines: number } | undefined {
    const cells: string[] = [];
    let at = start;
    let lines = 1;
    for (;;) {
      if (text[at] === '"') {
        const close = closingQuote(text, at + 1);
        if (close < 0) return undefined;
        const cell = text.slice(at + 1, close);
        cells.push(cell.replaceAll('""', '"'));
        for (let lf = cell.indexOf("\n"); lf >= 0; lf = cell.indexOf("\n", lf + 1)) lines++;
        at = close + 1;
        if (text[at] === "\r" && text[at + 1] === "\n") at++;
      } else {
        const lf = text.indexOf("\n", at);
        if (lf < 0) return undefined;
        const line = text.slice(at, lf);
        const length = line.indexOf(this.#delimiter);
        cells.push(length < 0 ? line.replace(/\r$/, "") : line.slice(0, length));
        at = length < 0 ? lf : at + length;
      }
      if (at >= text.length || (text[at] === "\r" && at + 1 === text.length)) return undefined;
      if (text[at] === "\n") return { cells, end: at + 1, lines };
      if (text[at] !== this.#delimiter) {
        const what = "a quoted cell goes on behind its quote; a quote within is written twice.";
        throw new Damaged(this.#line + lines - 1, what);
      }
      at++;
    }
  }
}

/** Where the quote is that ends a cell; -1 if that is not to be told yet. */
function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (at + 1 === text.length) return -1;
    if (text[at + 1] !== '"') return at;
  }
  return -1;
}

/**
 * A line of CSV. A spreadsheet takes a text that begins with = + - @ for a formula, which may send what is in the
 * sheet elsewhere: such a cell gets an apostrophe before it, unless it is a number.
 */
export function csvLine(cells: string[]): string {
  return `${cells.map(writeCell).join(",")}\r\n`;
}

function writeCell(cell: string): string {
  const isFormula = /^[=+\-@\t\r]/.test(cell) && !/^[+-]?\d*\.?\d+(?:e[+-]?\d+)?$/i.test(cell);
  const safe = isFormula ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
