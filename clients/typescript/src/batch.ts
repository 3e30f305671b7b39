/** Many rows in one request. */

import type { FileContent } from "./client.js";
import {
  FaasConnectionError,
  FaasError,
  InvalidAnswerError,
  StatusError,
  type ProgramError,
} from "./errors.js";
import { RunResult } from "./results.js";
import type * as wire from "./schema.js";
import type { Opened } from "./stream.js";

/** How long rows are taken before others have their turn, in ms. */
const LONGEST_PULL = 5;

/** One program and its inputs, which it finds as `input_data`, or programs. */
export type Rows =
  | { program: string; inputs: RowSource<unknown>; programs?: never }
  | { programs: RowSource<string | RowProgram>; program?: never; inputs?: never };

type RowSource<T> = Iterable<T> | AsyncIterable<T>;

/** A program with what only this one gets. */
export interface RowProgram {
  code: string;
  input?: unknown;
  stdin?: string;
  args?: string[];
}

/** How rows are run. What `run` has, too, is for each row; times are in ms. */
export interface BatchOptions extends Partial<
  Omit<
    wire.BatchRequest,
    "program" | "inputs" | "programs" | "files" | "from" | "language" | "priority" | "random"
  >
> {
  language?: wire.Language;
  priority?: wire.Priority;
  random?: "continue" | "fresh";
  files?: Record<string, FileContent>;
  /** Instead of `setup`. */
  from?: wire.Snapshot | string;
}

/** How a row ended. */
export interface BatchRow {
  /** Counts from 0, in the order of the inputs. Rows come in the order in which they end. */
  index: number;
  /** Absent if the row was not executed. */
  result?: RunResult;
  /** Whether its program ran to its end. */
  ok: boolean;
  /** What the program returned, as `RunResult.value`. */
  value: unknown;
  /** What went wrong: a StatusError if the row was not executed. */
  error?: ProgramError | StatusError;
}

/** The rows of a batch, as they end. */
export class Batch implements AsyncIterable<BatchRow> {
  readonly #rows: AsyncGenerator<BatchRow, void, undefined>;
  #request_id: string | undefined;
  #summary: wire.BatchSummary | undefined;
  /** How the set-up ended: known with the first row. One that failed is thrown as a ProgramError. */
  setup: RunResult | undefined;

  /** @internal */
  constructor(open: () => Promise<Opened>, failure: Failure) {
    this.#rows = this.#guarded(open, failure);
  }

  [Symbol.asyncIterator](): AsyncGenerator<BatchRow, void, undefined> {
    return this.#rows;
  }

  /** Reads what is left, and returns how the batch ended: `stopped` says why rows are left. */
  async summary(): Promise<wire.BatchSummary> {
    for await (const row of this.#rows) void row;
    if (!this.#summary) throw new FaasError("the batch was left before its end");
    return this.#summary;
  }

  async *#guarded(
    open: () => Promise<Opened>,
    failure: Failure,
  ): AsyncGenerator<BatchRow, void, undefined> {
    try {
      yield* this.#read(open);
    } catch (error) {
      throw failure.cause ?? error;
    }
  }

  async *#read(open: () => Promise<Opened>): AsyncGenerator<BatchRow, void, undefined> {
    const opened = await open();
    this.#request_id = opened.response.headers.get("X-Request-Id") ?? undefined;
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (let chunk = await opened.read(); chunk; chunk = await opened.read()) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const row = line.trim() === "" ? undefined : this.#row(line);
          if (row) yield row;
        }
      }
    } finally {
      opened.close();
    }
    if (!this.#summary) {
      throw new FaasConnectionError(
        "the batch broke off: rows without an answer may be sent again",
      );
    }
    if (this.#summary.stopped?.reason === "setup") this.setup?.raiseForError();
  }

  #row(line: string): BatchRow | undefined {
    // What the service sends is described by docs/openapi.json.
    let body: any;
    try {
      body = JSON.parse(line);
    } catch (cause) {
      throw new InvalidAnswerError("the answer is not one of faas-server", { cause });
    }
    const { index, error, details } = body;
    if (body.setup) {
      this.setup = new RunResult(body.setup, this.#request_id);
    } else if (body.summary) {
      this.#summary = body.summary;
    } else if (error !== undefined) {
      const refusal = new StatusError({ error, details, request_id: this.#request_id });
      return { index, ok: false, value: undefined, error: refusal };
    } else if (index !== undefined) {
      const result = new RunResult(body, this.#request_id);
      const failed = result.error;
      const { ok, value } = result;
      return { index, result, ok, value, ...(failed && { error: failed }) };
    }
    return undefined;
  }
}

/** @internal A body that goes on when the batch was accepted, and ends with its request. */
export type StreamedBody = (
  accepted: Promise<void>,
  request: AbortSignal,
) => ReadableStream<Uint8Array>;

/** @internal What a source of rows threw: it is told as it is, and not as what it made of the connection. */
export interface Failure {
  cause?: unknown;
}

/** @internal An array of rows is sent at once, anything else as a stream. */
export function rowsBody(head: object, rows: Rows, failure: Failure): string | StreamedBody {
  const [name, source] = rows.programs ? ["programs", rows.programs] : ["inputs", rows.inputs];
  if (!source) throw new TypeError("a batch has a program and inputs, or it has programs");
  if (Array.isArray(source)) return JSON.stringify({ ...head, [name as string]: source });
  return (accepted, request) =>
    linesOf(head, source as RowSource<unknown>, accepted, request, failure);
}

/** No row is taken before the batch was accepted: one that was refused may be sent again. */
function linesOf(
  head: object,
  rows: RowSource<unknown>,
  accepted: Promise<void>,
  request: AbortSignal,
  failure: Failure,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let since = 0;
  let iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined;
  return new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode(`${JSON.stringify(head)}\n`)),
    async pull(controller) {
      await accepted;
      // Rows that cost nothing would never let answers come.
      if (Date.now() - since > LONGEST_PULL) {
        await new Promise((resolve) => setTimeout(resolve));
        since = Date.now();
      }
      if (request.aborted) {
        await iterator?.return?.();
        return controller.close();
      }
      iterator ??=
        Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
      try {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(value ?? null)}\n`));
      } catch (cause) {
        failure.cause = cause;
        throw cause;
      }
    },
    async cancel() {
      await iterator?.return?.();
    },
  });
}
