// What came of the rows. A million of them are to fit: for each row a few numbers are kept, and its line of JSON in a
// blob with many others, which the browser may have on disk.

import { Breath } from "../breathe.ts";
import { csvLine } from "../csv.ts";
import { Digits, readJson } from "../json.ts";
import type { Row } from "./rows.ts";

/** How many bytes of lines become a blob. */
const BLOB_BYTES = 1_000_000;
/** How many rows are read at once to be saved. */
const WINDOW = 500;

/** What is told of a row, in the file that is saved, too. */
export interface RowResult {
  /** From 1. */
  row: number;
  /** As the API says it; `refused` for a row that was not executed. */
  status: string;
  ret_val?: string;
  stdout?: string;
  stderr?: string;
  wall_ms?: number;
  task_id?: string;
  /** Those that the program handed back, pictures too. */
  files?: unknown[];
  /** Why it was not executed. */
  error?: string;
  details?: string;
}

/** The row's result, and the JSON text that it was given. */
export interface ShownRow extends RowResult {
  input: string;
}

type State = "left" | "ok" | "failed";
const STATES: readonly State[] = ["left", "ok", "failed"];
const INPUT = ',"input":';

export class ResultStore {
  readonly count: number;
  /** By the number of a row; the first is that of no row. */
  readonly #states: Uint8Array;
  readonly #blobOf: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #blobs: Blob[] = [];
  /** Of which no blob is made yet. */
  #open = new Map<number, Uint8Array<ArrayBuffer>>();
  #openBytes = 0;
  readonly #totals: Record<State, number>;
  readonly #encoder = new TextEncoder();

  constructor(count: number) {
    this.count = count;
    this.#states = new Uint8Array(count + 1);
    this.#blobOf = new Uint32Array(count + 1);
    this.#starts = new Uint32Array(count + 1);
    this.#lengths = new Uint32Array(count + 1);
    this.#totals = { left: count, ok: 0, failed: 0 };
  }

  get totals(): Readonly<Record<State, number>> {
    return this.#totals;
  }

  stateOf(row: number): State {
    return STATES[this.#states[row] ?? 0] ?? "left";
  }

  /** The numbers of the rows in this state, or of all that are not left. */
  rows(state?: State): Uint32Array {
    const wanted = state === undefined ? undefined : STATES.indexOf(state);
    const size = state ? this.#totals[state] : this.count - this.#totals.left;
    const found = new Uint32Array(size);
    let at = 0;
    for (let row = 1; row <= this.count; row++) {
      const is = this.#states[row] ?? 0;
      if (wanted === undefined ? is !== 0 : is === wanted) found[at++] = row;
    }
    return found;
  }

  add(result: RowResult, input: string): void {
    const { row } = result;
    const line = `${JSON.stringify(result).slice(0, -1)}${INPUT}${input}}`;
    const bytes = this.#encoder.encode(line);
    this.#open.set(row, bytes);
    this.#openBytes += bytes.length;
    this.#totals[this.stateOf(row)]--;
    const state = result.status === "success" ? "ok" : "failed";
    this.#states[row] = STATES.indexOf(state);
    this.#totals[state]++;
    if (this.#openBytes >= BLOB_BYTES) this.#close();
  }

  #close(): void {
    // By their numbers, so that rows that are shown together are together.
    const rows = [...this.#open.keys()].sort((a, b) => a - b);
    // One piece of memory: a blob of thousands takes its time.
    const all = new Uint8Array(rows.reduce((sum, row) => sum + this.#openLength(row), 0));
    let at = 0;
    for (const row of rows) {
      const line = this.#open.get(row);
      if (line) all.set(line, at);
      this.#blobOf[row] = this.#blobs.length;
      this.#starts[row] = at;
      this.#lengths[row] = this.#openLength(row);
      at += this.#openLength(row);
    }
    this.#blobs.push(new Blob([all]));
    this.#open = new Map();
    this.#openBytes = 0;
  }

  #openLength(row: number): number {
    return this.#open.get(row)?.length ?? 0;
  }

  /** The lines of these rows, none of which is left. */
  async #read(rows: Iterable<number>): Promise<string[]> {
    const decoder = new TextDecoder();
    const lines: (string | undefined)[] = [];
    const byBlob = new Map<number, { row: number; at: number }[]>();
    for (const row of rows) {
      const at = lines.length;
      const open = this.#open.get(row);
      lines.push(open && decoder.decode(open));
      if (open) continue;
      const blob = this.#blobOf[row] ?? 0;
      const others = byBlob.get(blob);
      if (others) others.push({ row, at });
      else byBlob.set(blob, [{ row, at }]);
    }
    for (const [blob, wanted] of byBlob) {
      const ends = wanted.map(({ row }) => this.#startOf(row) + (this.#lengths[row] ?? 0));
      // Not Math.min(...all): there may be too many.
      const from = wanted.reduce((least, { row }) => Math.min(least, this.#startOf(row)), Infinity);
      const to = ends.reduce((most, end) => Math.max(most, end), 0);
      const bytes = new Uint8Array((await this.#blobs[blob]?.slice(from, to).arrayBuffer()) ?? []);
      wanted.forEach(({ row, at }, index) => {
        lines[at] = decoder.decode(
          bytes.subarray(this.#startOf(row) - from, (ends[index] ?? 0) - from),
        );
      });
    }
    return lines.map((line) => line ?? "");
  }

  #startOf(row: number): number {
    return this.#starts[row] ?? 0;
  }

  /** What came of these rows, none of which is left. */
  async results(rows: Iterable<number>): Promise<ShownRow[]> {
    return (await this.#read(rows)).map(parse);
  }

  /** These rows as they were sent, some at a time. */
  async *inputs(rows: Uint32Array): AsyncGenerator<Row[]> {
    for (let at = 0; at < rows.length; at += WINDOW) {
      const some = rows.subarray(at, at + WINDOW);
      const lines = await this.#read(some);
      yield lines.map((line, index) => ({ number: some[index] ?? 0, input: inputIn(line) }));
    }
  }

  /** All results so far as JSONL, in the order of the rows. */
  saveJsonl(onShare: (share: number) => void): Promise<Blob> {
    return this.#save((lines) => lines.map((line) => `${line}\n`).join(""), onShare);
  }

  /** All results so far as CSV: the columns of the file, or `input`, then what came of the row. */
  async saveCsv(columns: string[] | undefined, onShare: (share: number) => void): Promise<Blob> {
    const own = ["row", "status", "ret_val", "stdout", "stderr", "error", "wall_ms"];
    const names = columns ?? ["input"];
    const head = csvLine([
      ...names,
      ...own.map((name) => (names.includes(name) ? `result_${name}` : name)),
    ]);
    const body = (lines: string[]) =>
      lines
        .map((line) => {
          const { row, status, ret_val, stdout, stderr, error, details, wall_ms, input } =
            parse(line);
          const why = [error, details].filter((part) => part).join(". ");
          const told = [row, status, ret_val, stdout, stderr, why, wall_ms].map((one) =>
            String(one ?? ""),
          );
          return csvLine([...(columns ? cellsIn(input, columns) : [input]), ...told]);
        })
        .join("");
    return new Blob([head, await this.#save(body, onShare)]);
  }

  async #save(write: (lines: string[]) => string, onShare: (share: number) => void): Promise<Blob> {
    const rows = this.rows();
    const parts: Blob[] = [];
    const breath = new Breath();
    for (let at = 0; at < rows.length; at += WINDOW) {
      parts.push(new Blob([write(await this.#read(rows.subarray(at, at + WINDOW)))]));
      onShare(at / rows.length);
      await breath.take();
    }
    return new Blob(parts);
  }
}

/** The text of the input in a line: it is last, and a text in JSON has no quote that is not escaped. */
function inputIn(line: string): string {
  return line.slice(line.indexOf(INPUT) + INPUT.length, -1);
}

function parse(line: string): ShownRow {
  const at = line.indexOf(INPUT);
  return { ...(JSON.parse(`${line.slice(0, at)}}`) as RowResult), input: inputIn(line) };
}

/** The cells that the input was made of. */
function cellsIn(input: string, columns: string[]): string[] {
  const fields = readJson(input) as Map<string, unknown>;
  return columns.map((name) => {
    const value = fields.get(name) ?? "";
    return value instanceof Digits ? value.text : String(value);
  });
}
