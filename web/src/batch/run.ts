// Sends the rows of a batch, and tells of each as it is answered. Browsers can stream a request's body over HTTP/2
// only, so the rows go in several requests of bounded size, one after the other. What the set-up left is kept as a
// snapshot, from which all of them start.

import { ApiFailure, authorization, failureOf, type Language } from "../api.ts";
import { Breath } from "../breathe.ts";
import { outcomes } from "../outcomes.ts";
import type { BatchLine, BatchRefused, BatchRow, BatchSummary, RunResponse } from "../schema.ts";
import { apiToken } from "../token.ts";
import type { Row } from "./rows.ts";
import type { RowResult } from "./store.ts";

/** Of the inputs of one request, unless one alone is longer. */
const MOST_CHARACTERS = 250_000;
const FIRST_ROWS = 16;
const MOST_ROWS = 20_000;
/** How long a request is to take: long enough that what is between two of them does not matter. */
const WANTED_MS = 4000;
/** If the service does not say when to come back. */
const WAIT_MS = 2000;

export interface Batch {
  language: Language;
  /** Empty for none. */
  setup: string;
  program: string;
  packages: string[];
  isolation: "process" | "shared";
  stopOn: "error" | "failure" | undefined;
  timeout: number | undefined;
}

export interface Listener {
  /** In a few words, what is waited for; undefined while rows run. */
  waiting(why: string | undefined): void;
  answered(result: RowResult, row: Row): void;
}

/** Why a batch cannot go on, in sentences. */
export class CannotGoOn extends Error {
  override name = "CannotGoOn";
  constructor(
    message: string,
    readonly details: string,
  ) {
    super(message);
  }
}

/**
 * Runs the program for each of these rows. Says why it stopped before the last one, if it did.
 * @throws ApiFailure, CannotGoOn, and what `fetch` and `rows` throw; rows that were told are done all the same.
 */
export async function runBatch(
  batch: Batch,
  rows: AsyncIterable<Row[]>,
  signal: AbortSignal,
  listener: Listener,
): Promise<string | undefined> {
  const run = new BatchRun(batch, new Parts(rows[Symbol.asyncIterator]()), signal, listener);
  try {
    return await run.go();
  } finally {
    void run.base?.drop();
  }
}

class BatchRun {
  readonly base: Base | undefined;
  readonly #batch: Batch;
  readonly #parts: Parts;
  readonly #signal: AbortSignal;
  readonly #listener: Listener;

  constructor(batch: Batch, parts: Parts, signal: AbortSignal, listener: Listener) {
    this.#batch = batch;
    this.#parts = parts;
    this.#signal = signal;
    this.#listener = listener;
    this.base = batch.setup.trim() === "" ? undefined : new Base(batch, signal, listener);
  }

  async go(): Promise<string | undefined> {
    for (;;) {
      const part = await this.#parts.next();
      if (part.length === 0) return undefined;
      try {
        const stopped = await this.#sendPart(part);
        if (stopped !== undefined) return stopped;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (!(error instanceof ApiFailure)) throw error;
        await this.#refused(error, part);
      }
    }
  }

  /** Says why no further part is to be sent, if so. */
  async #sendPart(part: Row[]): Promise<string | undefined> {
    const base = await this.base?.id();
    const started = performance.now();
    const left = new Map(part.map((row, index) => [index, row]));
    const summary = await send(this.#batch, part, { from: base }, this.#signal, (line) => {
      const row = "index" in line ? left.get(line.index) : undefined;
      if (!row || !("index" in line)) return;
      left.delete(line.index);
      this.#listener.answered(resultOf(line, row), row);
    });
    const stopped = summary?.stopped;
    if (stopped?.reason === "stop_on") return stopped.details;
    if (left.size === part.length) {
      const details = stopped?.details ?? "It may be restarting; go on in a moment";
      throw new CannotGoOn("The service answered none of the rows that were sent", details);
    }
    this.#parts.putBack([...left.values()]);
    this.#parts.learn(part.length - left.size, performance.now() - started);
    return undefined;
  }

  /** A part was refused: waits if that helps, sends fewer rows if they were too many; else throws the refusal. */
  async #refused(error: ApiFailure, part: Row[]): Promise<void> {
    const { status, message, details } = error;
    const [row] = part;
    if (status === 413 && part.length === 1 && row) {
      this.#listener.answered({ row: row.number, status: "refused", error: message, details }, row);
      if (this.#batch.stopOn === "failure") throw error;
      return;
    }
    if (status === 429 || status === 503) {
      const ms = error.retryAfter === undefined ? WAIT_MS : error.retryAfter * 1000;
      this.#listener.waiting(`${message}; sent again in ${Math.ceil(ms / 1000)} s`);
      await wait(ms, this.#signal);
      this.#listener.waiting(undefined);
    } else if (status === 413) {
      this.#parts.halve(part.length);
    } else if (this.base && (status === 404 || status === 410)) {
      // The snapshot made room for another: the set-up runs again.
      this.base.forget();
    } else {
      throw error;
    }
    this.#parts.putBack(part);
  }
}

/** @throws CannotGoOn if the set-up did not succeed. */
export function checkSetup({ metadata, output }: RunResponse): void {
  if (metadata.status === "success") return;
  const how = outcomes[metadata.status].text.toLowerCase();
  throw new CannotGoOn(`The set-up did not succeed: ${how}`, output.stderr.trimEnd());
}

/** Runs the set-up and one row, and tells what came of both. */
export async function tryRow(
  batch: Batch,
  row: Row,
  signal: AbortSignal,
): Promise<{ setup: RunResponse | undefined; result: RowResult | undefined }> {
  let setup: RunResponse | undefined;
  let result: RowResult | undefined;
  const start = batch.setup.trim() === "" ? {} : { setup: batch.setup };
  await send({ ...batch, stopOn: undefined }, [row], start, signal, (line) => {
    if ("setup" in line) setup = line.setup;
    else if ("index" in line) result = resultOf(line, row);
  });
  return { setup, result };
}

/** The rows, cut into what one request sends. */
class Parts {
  readonly #rows: AsyncIterator<Row[]>;
  /** Read, and not sent. */
  #ahead: Row[] = [];
  #at = 0;
  #size = FIRST_ROWS;

  constructor(rows: AsyncIterator<Row[]>) {
    this.#rows = rows;
  }

  /** None at the end. */
  async next(): Promise<Row[]> {
    const part: Row[] = [];
    let length = 0;
    while (part.length < this.#size) {
      const row = this.#ahead[this.#at];
      if (!row) {
        const { done, value } = await this.#rows.next();
        if (done) break;
        this.#ahead = value;
        this.#at = 0;
        continue;
      }
      length += row.input.length;
      if (length > MOST_CHARACTERS && part.length > 0) break;
      part.push(row);
      this.#at++;
    }
    return part;
  }

  putBack(rows: Row[]): void {
    if (rows.length === 0) return;
    this.#ahead = [...rows, ...this.#ahead.slice(this.#at)];
    this.#at = 0;
  }

  /** So many rows took so long: how many the next request sends. */
  learn(rows: number, ms: number): void {
    const fitting = Math.round((rows * WANTED_MS) / Math.max(ms, 1));
    this.#size = Math.max(1, Math.min(fitting, this.#size * 4, MOST_ROWS));
  }

  /** So many rows were too many. */
  halve(rows: number): void {
    this.#size = Math.ceil(rows / 2);
  }
}

/** What the set-up left. */
class Base {
  readonly #batch: Batch;
  readonly #signal: AbortSignal;
  readonly #listener: Listener;
  #id: string | undefined;

  constructor(batch: Batch, signal: AbortSignal, listener: Listener) {
    this.#batch = batch;
    this.#signal = signal;
    this.#listener = listener;
  }

  /**
   * The snapshot's id; runs the set-up if there is none.
   * @throws ApiFailure, CannotGoOn
   */
  async id(): Promise<string> {
    if (this.#id !== undefined) return this.#id;
    const { language, setup, packages } = this.#batch;
    this.#listener.waiting("The set-up runs");
    // The server cuts it to the longest there is.
    const timeout = 3_600_000;
    const fields = { language, code: setup, packages, timeout, keep: true };
    const response = await post("run_code", JSON.stringify(fields), this.#signal);
    const answer = (await response.json()) as RunResponse;
    const { metadata } = answer;
    this.#id = metadata.snapshot?.id;
    checkSetup(answer);
    if (this.#id === undefined) {
      throw new CannotGoOn("What the set-up left could not be kept", metadata.not_kept ?? "");
    }
    this.#listener.waiting(undefined);
    return this.#id;
  }

  forget(): void {
    this.#id = undefined;
  }

  async drop(): Promise<void> {
    if (this.#id === undefined) return;
    try {
      const headers = authorization(apiToken.value);
      await fetch(`snapshots/${this.#id}`, { method: "DELETE", headers });
    } catch {
      // It goes by itself when nobody uses it.
    }
  }
}

/** Sends some rows and tells of each line of the answer. Undefined if the answer was cut off. */
async function send(
  batch: Batch,
  rows: Row[],
  start: { from?: string | undefined; setup?: string },
  signal: AbortSignal,
  onLine: (line: BatchLine) => void,
): Promise<BatchSummary | undefined> {
  const { language, program, packages, isolation, stopOn, timeout } = batch;
  const fields = {
    language,
    program,
    isolation,
    ...(stopOn === undefined ? {} : { stop_on: stopOn }),
    ...(timeout === undefined ? {} : { timeout }),
    // A snapshot has those of its set-up.
    ...(packages.length === 0 || start.from !== undefined ? {} : { packages }),
    ...start,
  };
  // Put in as text, so that numbers keep their digits.
  const inputs = rows.map(({ input }) => input).join(",");
  const body = `${JSON.stringify(fields).slice(0, -1)},"inputs":[${inputs}]}`;
  const response = await post("run_batch", body, signal);
  let summary: BatchSummary | undefined;
  for await (const line of linesOf(response)) {
    const read = JSON.parse(line) as BatchLine;
    if ("summary" in read) summary = read.summary;
    else onLine(read);
  }
  return summary;
}

async function post(path: string, body: string, signal: AbortSignal): Promise<Response> {
  const headers = { "Content-Type": "application/json", ...authorization(apiToken.value) };
  const response = await fetch(path, { method: "POST", headers, body, signal });
  if (!response.ok) throw await failureOf(response);
  return response;
}

/** The lines of an answer as they come; what is behind the last end of a line was cut off. */
async function* linesOf(response: Response): AsyncGenerator<string> {
  const breath = new Breath();
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line !== "") yield line;
      await breath.take();
    }
  }
}

function resultOf(line: BatchRow | BatchRefused, { number: row }: Row): RowResult {
  if ("error" in line) {
    const { error, details } = line;
    return { row, status: "refused", error, details };
  }
  const { output, metadata } = line;
  const files = [...output.files, ...output.artifacts];
  return {
    row,
    status: metadata.status,
    ret_val: output.ret_val,
    stdout: output.stdout,
    stderr: output.stderr,
    wall_ms: metadata.usage.wall_ms,
    task_id: metadata.task_id,
    ...(files.length === 0 ? {} : { files }),
  };
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}
