// The service as this page sees it: POST /run_code and GET /health, by addresses relative to its own, which
// may be behind a proxy that has the service under a path. The shapes are those of its
// description, from which schema.ts is made: npm run schema.

import type {
  Health,
  Language,
  Limits,
  Priority,
  RunRequest,
  RunResponse,
  ShownResult,
} from "./schema.ts";
import { readEvents } from "./sse.ts";

export type {
  Health,
  Language,
  AnswerStatus,
  Outcome,
  OutputFile,
  Priority,
  RunResponse,
  ShownResult,
} from "./schema.ts";

export interface InputFile {
  name: string;
  content_base64: string;
}

export type Stream = "stdout" | "stderr";

export interface Program {
  language: Language;
  code: string;
  /** JSON text, sent as it was typed; empty for none. */
  input: string;
  packages: string[];
  timeout: number | undefined;
  priority: Priority;
  limits?: Limits;
  /** For its working directory. */
  files?: InputFile[];
  /** The session that it is a cell of. */
  session?: string;
}

/** A refusal of the service, or an answer that is not one of its. */
export class ApiFailure extends Error {
  override name = "ApiFailure";
  constructor(
    readonly status: number,
    message: string,
    readonly details: string,
    /** When to come back, in seconds, if the service says so. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The body of a request. The input's text goes in untouched, so its numbers keep all digits. */
export function requestBody(program: Program): string {
  const { language, code, packages, timeout, priority, input, session, limits, files } = program;
  const fields: RunRequest = {
    language,
    code,
    priority,
    ...(timeout === undefined ? {} : { timeout }),
    ...(packages.length === 0 ? {} : { packages }),
    ...(limits === undefined ? {} : { limits }),
    ...(files === undefined || files.length === 0 ? {} : { files }),
    ...(session === undefined ? {} : { session }),
  };
  const body = JSON.stringify(fields);
  return input.trim() === "" ? body : `${body.slice(0, -1)},"input":${input}}`;
}

/** @throws ApiFailure if no header can carry the token. */
export function authorization(token: string): Record<string, string> {
  if (/[^\x21-\x7e]/.test(token)) {
    const details = "It has a space or a character that is not ASCII; type it again";
    throw new ApiFailure(401, "The API token cannot be right", details);
  }
  return token === "" ? {} : { Authorization: `Bearer ${token}` };
}

/** How far the packages are that a program waits for. */
export interface Progress {
  packages: string[];
  stage: "waiting" | "fetching" | "installing" | "ready";
  /** The file that came last, or is on its way. */
  file: string | null;
  /** Files that are there, and their bytes. */
  files: number;
  bytes: number;
}

/** Who is told what a program does while it runs. */
export interface Listener {
  /** It has its turn: it starts, or its packages are installed first. */
  started?(): void;
  output(stream: Stream, text: string): void;
  shown(result: ShownResult): void;
  installing(progress: Progress): void;
}

/** Runs a program; what it does is told as it comes when the server streams. */
export async function runCode(
  program: Program,
  token: string,
  signal: AbortSignal,
  listener: Listener,
): Promise<RunResponse> {
  const response = await fetch("run_code", {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "text/event-stream",
      ...authorization(token),
    },
    body: requestBody(program),
    signal,
  });
  const type = response.headers.get("Content-Type") ?? "";
  if (!response.ok) throw await failureOf(response);
  if (!type.startsWith("text/event-stream")) return (await response.json()) as RunResponse;
  if (!response.body) throw new ApiFailure(response.status, "The answer has no body", "");
  listener.started?.();
  for await (const { event, data } of readEvents(response.body)) {
    if (event === "stdout" || event === "stderr") {
      listener.output(event, String((JSON.parse(data) as { text: unknown }).text));
    } else if (event === "progress") {
      listener.installing(JSON.parse(data) as Progress);
    } else if (event === "display") {
      listener.shown(JSON.parse(data) as ShownResult);
    } else if (event === "result") {
      return JSON.parse(data) as RunResponse;
    } else if (event === "error") {
      const { error, details } = JSON.parse(data) as { error?: string; details?: string };
      throw new ApiFailure(response.status, error ?? "Execution failed", details ?? "");
    }
  }
  throw new ApiFailure(
    response.status,
    "The connection ended before the result",
    "The server may be restarting; run the program again",
  );
}

export async function failureOf(response: Response): Promise<ApiFailure> {
  const text = await response.text();
  let error = `${response.status} ${response.statusText}`.trim();
  let details = text.slice(0, 2000);
  try {
    const body = JSON.parse(text) as { error?: unknown; details?: unknown };
    if (typeof body.error === "string") error = body.error;
    details = typeof body.details === "string" ? body.details : "";
  } catch {
    // Not the service's own answer.
    error = `${error}: not an answer of this service`;
    if (/<html/i.test(text)) details = "A proxy before it may have answered; try again";
  }
  // In seconds; the service writes no dates there.
  const wait = Number(response.headers.get("Retry-After") ?? NaN);
  return new ApiFailure(response.status, error, details, wait >= 0 ? wait : undefined);
}

/** How the service is. An unhealthy one still answers with its figures. */
export async function fetchHealth(token: string, signal: AbortSignal): Promise<Health> {
  const response = await fetch("health", {
    headers: { Accept: "application/json", ...authorization(token) },
    cache: "no-store",
    signal,
  });
  if (!response.ok && response.status !== 503) throw await failureOf(response);
  return (await response.json()) as Health;
}

/** What went wrong, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
