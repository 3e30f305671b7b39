// The rows of a batch: a CSV or JSONL file, read in pieces, so that its size does not matter. Each row becomes JSON
// text, which is sent as it is: numbers keep all their digits.

import { messageOf } from "../api.ts";
import { Breath } from "../breathe.ts";
import { CsvParser, type CsvRecord, Damaged, delimiterOf } from "../csv.ts";

/** Longest line of JSONL, in characters. */
const LONGEST_LINE = 8_000_000;
/** Of a file, taken apart at once. */
const PIECE_BYTES = 65_536;
/** How many rows say whether a column has numbers, and are kept to be looked at. */
const MOST_PREVIEWED = 100;

export interface Column {
  name: string;
  /** Whether its cells are sent as numbers where they are some. */
  isNumber: boolean;
}

/** What is in a file. */
export interface Source {
  file: File;
  /** Of a CSV file; one of JSONL has none. */
  columns: Column[] | undefined;
  delimiter: string;
  count: number;
  /** The first rows, as they stand in the file: cells, or one line of JSON. */
  preview: string[][];
}

/** A row as it is sent. */
export interface Row {
  /** From 1. */
  number: number;
  /** JSON text. */
  input: string;
}

/** A number as JSON writes it: 7, -0.5, 1e9, and not 007, which is a code. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * Reads the whole file once: whether it is all right, how many rows there are, what the first are.
 * @throws Damaged
 */
export async function survey(
  file: File,
  signal: AbortSignal,
  onCount: (count: number) => void,
): Promise<Source> {
  const isCsv = !/\.(?:jsonl|ndjson)$/i.test(file.name);
  const delimiter = isCsv ? delimiterOf(await firstLineOf(file)) : "";
  const source: Source = { file, columns: undefined, delimiter, count: 0, preview: [] };
  for await (const records of recordsOf(source, isCsv)) {
    signal.throwIfAborted();
    for (const { cells, line } of records) {
      if (isCsv && !source.columns) {
        source.columns = namesOf(cells, line);
        continue;
      }
      checkRecord(source, cells, line);
      if (source.preview.length < MOST_PREVIEWED) source.preview.push(cells);
      source.count++;
    }
    onCount(source.count);
  }
  if (source.count === 0) {
    throw new Damaged(1, isCsv ? "there is no row below the header." : "there is no row.");
  }
  source.columns?.forEach((column, index) => {
    const filled = source.preview.map((cells) => cells[index] ?? "").filter((cell) => cell !== "");
    column.isNumber = filled.length > 0 && filled.every((cell) => NUMBER.test(cell));
  });
  return source;
}

/** The rows that are wanted, a piece of the file at a time. */
export async function* readRows(
  source: Source,
  isWanted: (number: number) => boolean,
): AsyncGenerator<Row[]> {
  const { columns } = source;
  const keys = columns?.map(({ name }) => JSON.stringify(name));
  let number = columns ? -1 : 0;
  for await (const records of recordsOf(source, columns !== undefined)) {
    const rows: Row[] = [];
    for (const { cells } of records) {
      number++;
      if (number === 0 || !isWanted(number)) continue;
      rows.push({ number, input: inputOf(cells, columns, keys) });
    }
    yield rows;
  }
}

/** What a row is sent as. */
export function inputOf(
  cells: string[],
  columns: Column[] | undefined,
  keys = columns?.map(({ name }) => JSON.stringify(name)),
): string {
  if (!columns || !keys) return cells[0] ?? "null";
  const fields = columns.map(({ isNumber }, index) => {
    const cell = cells[index] ?? "";
    const value = isNumber && cell === "" ? "null" : cell;
    const isBare = isNumber && (cell === "" || NUMBER.test(cell));
    return `${keys[index]}:${isBare ? value : JSON.stringify(value)}`;
  });
  return `{${fields.join(",")}}`;
}

function namesOf(cells: string[], line: number): Column[] {
  const names = cells.map((cell, index) => cell.trim() || `column_${index + 1}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Damaged(line, `two columns are called ${twice}.`);
  return names.map((name) => ({ name, isNumber: false }));
}

function checkRecord({ columns }: Source, cells: string[], line: number): void {
  if (columns && cells.length !== columns.length) {
    const [has, wanted] = [cells.length, columns.length];
    throw new Damaged(line, `the row has ${cellsOf(has)}, the header has ${cellsOf(wanted)}.`);
  }
  if (columns) return;
  try {
    JSON.parse(cells[0] ?? "");
  } catch (error) {
    throw new Damaged(line, `the row is not JSON (${messageOf(error).slice(0, 200)}).`);
  }
}

function cellsOf(count: number): string {
  return count === 1 ? "1 cell" : `${count} cells`;
}

async function firstLineOf(file: File): Promise<string> {
  const start = await file.slice(0, 65_536).text();
  return start.split(/\r?\n/, 1)[0] ?? "";
}

/** The records of a file, a piece at a time. */
async function* recordsOf(
  { file, delimiter }: Source,
  isCsv: boolean,
): AsyncGenerator<CsvRecord[]> {
  const parser = isCsv ? new CsvParser(delimiter) : new LineParser();
  // It takes a byte order mark away.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const reader = file.stream().getReader();
  const breath = new Breath();
  let line = 1;
  const decode = (bytes?: Uint8Array) => {
    try {
      const text = decoder.decode(bytes, { stream: bytes !== undefined });
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) line++;
      return text;
    } catch {
      const what = "the text is not UTF-8, here or soon behind it; save the file as UTF-8.";
      throw new Damaged(line, what);
    }
  };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (let at = 0; at < value.length; at += PIECE_BYTES) {
        yield parser.push(decode(value.subarray(at, at + PIECE_BYTES)));
        await breath.take();
      }
    }
  } finally {
    void reader.cancel();
  }
  yield [...parser.push(decode()), ...parser.finish()];
}

/** Takes JSONL apart: a record for each line that is not blank. */
class LineParser {
  #rest = "";
  #line = 1;

  push(text: string): CsvRecord[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LONGEST_LINE) throw new Damaged(this.#line, "the line does not end.");
    const first = this.#line;
    this.#line += lines.length;
    return lines.flatMap((line, index) => {
      const text = line.trim();
      return text === "" ? [] : [{ cells: [text], line: first + index }];
    });
  }

  finish(): CsvRecord[] {
    return this.push("\n");
  }
}
