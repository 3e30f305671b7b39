// Notebooks as files: nbformat 4, written as 4.5. What comes in is hostile: it is taken apart here, and what is not
// as the format has it is refused with a sentence.

import type { Language, Stream } from "../api.ts";
import { isLanguage } from "../languages.ts";
import type { Data } from "../representation.ts";
import { type CellData, type CellKind, newId, type Output } from "./model.ts";

/** Longest file that is read, in characters. */
const MOST_CHARACTERS = 50_000_000;
/** A browser with more editors is slow. */
const MOST_CELLS = 1000;

export interface NotebookFile {
  language: Language;
  cells: CellData[];
  metadata: Record<string, unknown>;
}

/** Why a file cannot be opened, in a sentence. */
export class BadNotebook extends Error {
  override name = "BadNotebook";
}

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** @throws BadNotebook */
export function readNotebook(text: string): NotebookFile {
  if (text.length > MOST_CHARACTERS) {
    throw new BadNotebook("The file is longer than 50 million characters; take outputs out of it.");
  }
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    throw new BadNotebook("The file is not JSON, so it is no notebook.");
  }
  try {
    // What was parsed may nest too deep to be written again, or shown.
    JSON.stringify(file);
  } catch {
    throw new BadNotebook("The file nests too deep.");
  }
  if (!isObject(file) || typeof file["nbformat"] !== "number") {
    throw new BadNotebook("The file is no notebook: it does not say its nbformat.");
  }
  if (file["nbformat"] !== 4) {
    const hint = "convert it with jupyter nbconvert --to notebook";
    throw new BadNotebook(
      `The file has nbformat ${file["nbformat"]}; only 4 can be read: ${hint}.`,
    );
  }
  const { cells } = file;
  if (!Array.isArray(cells)) throw new BadNotebook("The file has no list of cells.");
  if (cells.length > MOST_CELLS) {
    throw new BadNotebook(
      `The file has ${cells.length} cells; at most ${MOST_CELLS} can be shown.`,
    );
  }
  const metadata = isObject(file["metadata"]) ? file["metadata"] : {};
  const ids = new Set<string>();
  return {
    language: languageOf(metadata),
    metadata,
    cells: cells.map((cell, index) => readCell(cell, `Cell ${index + 1}`, ids)),
  };
}

/** As the kernel says, Python if it says nothing. */
function languageOf(metadata: Fields): Language {
  for (const [part, field] of [
    ["language_info", "name"],
    ["kernelspec", "language"],
  ] as const) {
    const about = metadata[part];
    if (!isObject(about) || typeof about[field] !== "string") continue;
    const language = String(about[field]).toLowerCase();
    if (isLanguage(language)) return language;
    throw new BadNotebook("Its kernel is neither Python nor JavaScript nor TypeScript.");
  }
  return "python";
}

function readCell(cell: unknown, name: string, ids: Set<string>): CellData {
  if (!isObject(cell)) throw new BadNotebook(`${name} is not an object.`);
  const kind = cell["cell_type"];
  if (kind !== "code" && kind !== "markdown" && kind !== "raw") {
    throw new BadNotebook(`${name} is neither code nor markdown nor raw.`);
  }
  const outputs = kind === "code" ? (cell["outputs"] ?? []) : [];
  if (!Array.isArray(outputs)) throw new BadNotebook(`The outputs of ${name} are not a list.`);
  const code = textOf(cell["source"], `The source of ${name}`);
  const read: CellData = {
    id: idOf(cell["id"], ids),
    kind,
    code,
    outputs: outputs.map((output, index) => readOutput(output, `Output ${index + 1} of ${name}`)),
  };
  const count = cell["execution_count"];
  if (kind === "code" && (read.outputs.length > 0 || typeof count === "number")) {
    const failed = read.outputs.some((output) => output.kind === "error");
    read.run = {
      ending: failed ? "failed" : "ok",
      session: "",
      code,
      wallMs: 0,
      ...(Number.isSafeInteger(count) ? { number: count as number } : {}),
    };
  }
  if (isObject(cell["metadata"])) read.metadata = cell["metadata"];
  if (kind !== "code" && isObject(cell["attachments"])) read.attachments = cell["attachments"];
  return read;
}

/** The cell's own id if it is a right one and no other cell has it. */
function idOf(id: unknown, ids: Set<string>): string {
  const isRight = typeof id === "string" && /^[\w-]{1,64}$/.test(id) && !ids.has(id);
  const right = isRight ? id : newId();
  ids.add(right);
  return right;
}

/** Text is one string or a list of them. */
function textOf(value: unknown, name: string): string {
  const parts: unknown[] = Array.isArray(value) ? value : [value];
  if (!parts.every((part) => typeof part === "string")) {
    throw new BadNotebook(`${name} is neither text nor a list of texts.`);
  }
  return parts.join("");
}

function readOutput(output: unknown, name: string): Output {
  if (!isObject(output)) throw new BadNotebook(`${name} is not an object.`);
  switch (output["output_type"]) {
    case "stream": {
      const stream: Stream = output["name"] === "stderr" ? "stderr" : "stdout";
      return { kind: "stream", stream, text: textOf(output["text"], `The text of ${name}`) };
    }
    case "execute_result":
    case "display_data": {
      const isValue = output["output_type"] === "execute_result";
      return { kind: "result", data: readData(output["data"], name), isValue };
    }
    case "error": {
      const trace = output["traceback"];
      const lines: unknown[] = Array.isArray(trace) ? trace : [];
      return {
        kind: "error",
        name: textOf(output["ename"], `The name of the error in ${name}`),
        message: textOf(output["evalue"], `The message of the error in ${name}`),
        trace: withoutColours(lines.filter((line) => typeof line === "string").join("\n")),
      };
    }
    default:
      throw new BadNotebook(`${name} is of a type that nbformat 4 does not have.`);
  }
}

function readData(bundle: unknown, name: string): Data {
  if (!isObject(bundle)) throw new BadNotebook(`${name} has no data by media type.`);
  const entries = Object.entries(bundle).map(([type, value]): [string, unknown] => {
    if (/\bjson$/.test(type)) return [type, value];
    const text = textOf(value, `${type} of ${name}`);
    return [type, /^image\/(?!svg)/.test(type) ? text.replace(/\s/g, "") : text];
  });
  // Not an assignment: a type may be called __proto__.
  return Object.fromEntries(entries);
}

/** Jupyter's tracebacks have the colours of a terminal in them. */
function withoutColours(text: string): string {
  return text.replace(/\u001b\[[\d;]*m/g, "");
}

/** The notebook as the text of an .ipynb file. */
export function writeNotebook({ language, cells, metadata }: NotebookFile): string {
  const file = {
    cells: cells.map(writeCell),
    metadata: {
      ...metadata,
      kernelspec:
        language === "python"
          ? { display_name: "Python 3", language, name: "python3" }
          : { display_name: language, language, name: language },
      language_info: { name: language },
    },
    nbformat: 4,
    nbformat_minor: 5,
  };
  return `${JSON.stringify(file, null, 1)}\n`;
}

function writeCell(data: CellData): object {
  const { id, kind, code, outputs, run, attachments, metadata = {} } = data;
  const cell: { cell_type: CellKind } & Fields = {
    cell_type: kind,
    id,
    metadata,
    source: linesOf(code),
  };
  if (kind !== "code") return attachments ? { ...cell, attachments } : cell;
  const count = run?.number ?? null;
  cell["execution_count"] = count;
  cell["outputs"] = outputs.flatMap((output) => writeOutput(output, count));
  return cell;
}

function writeOutput(output: Output, count: number | null): object[] {
  switch (output.kind) {
    case "stream":
      return [{ output_type: "stream", name: output.stream, text: linesOf(output.text) }];
    case "result": {
      const data = { data: output.data, metadata: {} };
      return output.isValue
        ? [{ output_type: "execute_result", execution_count: count, ...data }]
        : [{ output_type: "display_data", ...data }];
    }
    case "error": {
      const { name, message, trace } = output;
      const traceback = trace.replace(/\n$/, "").split("\n");
      return [{ output_type: "error", ename: name, evalue: message, traceback }];
    }
    case "files":
      // There is no such output in the format.
      return [];
  }
}

/** As Jupyter writes text: lines, each with its end. */
function linesOf(text: string): string[] {
  return text === "" ? [] : (text.match(/[^\n]*\n|[^\n]+$/g) ?? []);
}
