// What a notebook is made of: cells and their outputs, as they are kept in the browser and in files.

import type { OutputFile, Stream } from "../api.ts";
import type { Data } from "../representation.ts";

export type Output =
  | { kind: "stream"; stream: Stream; text: string }
  /** A result by media type; the value of the cell's last expression, or what it displayed. */
  | { kind: "result"; data: Data; isValue: boolean }
  | { kind: "error"; name: string; message: string; trace: string }
  /** Files that came with the answer and are not among the results. */
  | { kind: "files"; files: OutputFile[] };

/** How a cell that is not running ended. */
export type Ending =
  | "ok"
  | "failed"
  | "interrupted"
  /** It was killed, or its session had no memory for it: the session is as it was before it. */
  | "rolledBack"
  /** It was kept, and then the session went back to before it. */
  | "steppedBack"
  /** It was not run, or nobody knows how it ended. */
  | "refused";

/** The last run of a cell. */
export interface Run {
  ending: Ending;
  /** The session that it was in; empty if it came with a file. */
  session: string;
  /** In its session, if it was kept. */
  number?: number;
  /** If it was rolled back, the cell after which its session is then; 0 for the start. */
  backTo?: number;
  /** By which the history knows it. */
  task?: string;
  /** What ran. */
  code: string;
  wallMs: number;
  /** A sentence about how it ended, if there is more to say. */
  note?: string;
  /** Why, as the server says it. */
  reason?: string;
}

/** A place in a session, by the last cell before it. */
export function placeOf(cell: number, mark = ""): string {
  return cell === 0 ? "the start" : `after [${cell}${mark}]`;
}

export type CellKind = "code" | "markdown" | "raw";

export interface CellData {
  /** As nbformat 4.5 has it: letters, digits, - and _, at most 64. */
  id: string;
  kind: CellKind;
  code: string;
  outputs: Output[];
  run?: Run;
  /** Files of a text cell, by name, then by media type; kept as they came. */
  attachments?: Record<string, unknown>;
  /** What other programs keep with a cell, untouched. */
  metadata?: Record<string, unknown>;
}

export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function newCell(code = "", kind: CellKind = "code"): CellData {
  return { id: newId(), kind, code, outputs: [] };
}

const PYTHON_START = /^(?:Traceback \(most recent call last\):| {2}File "<cell \d+>", line \d+)$/gm;
const CHAINED = /(?:During handling of the above exception|was the direct cause of the following)/;

/**
 * The report of the exception that ended a cell, and what is before it on standard error. Undefined if there is
 * none.
 */
export function splitError(
  stderr: string,
  language: string,
): { before: string; error: Output & { kind: "error" } } | undefined {
  const isPython = language === "python";
  const start = isPython ? startOfTraceback(stderr) : stderr.lastIndexOf("Uncaught ");
  if (start < 0) return undefined;
  const trace = stderr.slice(start);
  const lines = trace.trimEnd().split("\n");
  const last = isPython
    ? lines.findLast((line) => /^[A-Za-z_][\w.]*(?::|$)/.test(line))
    : lines[0]?.replace(/^Uncaught (?:\(in promise\) )?/, "");
  const [, name = "Error", message = ""] = /^([\w.$]+)(?:: ?(.*))?$/.exec(last ?? "") ?? [];
  return { before: stderr.slice(0, start), error: { kind: "error", name, message, trace } };
}

/** Where the last traceback starts, with the ones that led to it. */
function startOfTraceback(stderr: string): number {
  const starts = [...stderr.matchAll(PYTHON_START)].filter(
    ({ index, 0: text }) => text.startsWith("Traceback") || !isWithinTraceback(stderr, index),
  );
  let at = starts.length - 1;
  while (at > 0) {
    const between = stderr.slice(starts[at - 1]?.index, starts[at]?.index);
    if (!CHAINED.test(between)) break;
    at--;
  }
  return starts[at]?.index ?? -1;
}

/** Whether the line at `index` goes on a traceback rather than being the first of a report without one. */
function isWithinTraceback(stderr: string, index: number): boolean {
  const before = stderr.slice(0, index).trimEnd();
  return /(?:^|\n)(?:Traceback \(most recent call last\):| {2}.*)$/.test(before);
}
