/** The client. */

import { Batch, rowsBody, type BatchOptions, type Rows, type StreamedBody } from "./batch.js";
import {
  ConflictError,
  FaasConnectionError,
  FaasTimeoutError,
  GoneError,
  InvalidAnswerError,
  InvalidRequestError,
  refusal,
  type StatusError,
} from "./errors.js";
import { RunResult, toBase64 } from "./results.js";
import type * as wire from "./schema.js";
import { Session, type SessionOptions } from "./session.js";
import { RunStream, type Opened } from "./stream.js";
import { Toolbox, declarations, type Round, type Tool } from "./tools.js";

const DEFAULT_URL = "http://localhost:8000";
/** FAAS_MAX_EXECUTION_TIME of a service of default settings, in ms: no program may take longer. */
const LONGEST_PROGRAM = 60_000;
/** The first pause before a new try, and the longest, in seconds. Retry-After is never longer. */
const [SHORTEST_PAUSE, LONGEST_PAUSE] = [0.5, 60];
/** Statuses of requests that were not carried out and may be later. */
const TRY_LATER = [408, 429, 503];
/** Codes of errors of Node.js that say that nothing was sent. */
const NOT_SENT = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"];

export interface FaasOptions {
  /** Of the service; the variable FAAS_URL if absent, else http://localhost:8000. */
  url?: string | undefined;
  /** That the service wants; the variable FAAS_API_TOKEN if absent. */
  token?: string | undefined;
  /**
   * Milliseconds that an answer may take beyond the time limit of its program: for waiting until a worker is free, for
   * packages, for the network. 60,000 if absent.
   */
  requestTimeout?: number | undefined;
  /** How often a request is sent again, where that is safe. 2 if absent. */
  maxRetries?: number | undefined;
  /** How many requests are on their way at once, 100 if absent; others wait until one is answered. */
  maxConnections?: number | undefined;
  /** Another fetch, with other certificates or proxies. */
  fetch?: typeof fetch | undefined;
}

export interface RequestOptions {
  /** Ends the request, and with it the program. */
  signal?: AbortSignal | undefined;
}

/** A text, or bytes. */
export type FileContent = string | Uint8Array;

/** What a program gets, and how it is run: the fields of the HTTP API. All of it is optional. */
export interface StreamOptions
  extends
    RequestOptions,
    Omit<
      wire.RunRequest,
      "code" | "files" | "from" | "language" | "priority" | "entry_point" | "tools"
    > {
  /** Python if absent. */
  language?: wire.Language;
  /** Who runs first when all workers are busy. */
  priority?: wire.Priority;
  /** Files for its working directory, by name. */
  files?: Record<string, FileContent>;
  /** Instead of code: the name of the one of `files` that is the program. */
  entry_point?: string;
  /** What the program starts from. */
  from?: wire.Snapshot | string;
  /** Functions of the caller that the program may call: `tools.NAME(…)`. */
  tools?: Tool[];
}

/** Those of a program whose output does not come as a stream. */
export interface RunOptions extends StreamOptions {
  /** Sent again with the same options, a key gets the first answer. A new one is made if this is absent. */
  idempotencyKey?: string;
}

/** What was found in a program without running it. */
export type CheckResult = wire.CheckResponse;

/** Which executions to list. */
export interface ExecutionQuery {
  status?: wire.Outcome;
  language?: wire.Language;
  /** Started then or later. */
  since?: Date | string;
  request_id?: string;
  /** `next` of the page before. */
  before?: string;
  limit?: number;
}

/** One request, as often as it is sent. */
export interface Call {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  /** A stream is made again for each try, and reads the answer's beginning before it goes on. */
  body?: string | Uint8Array<ArrayBuffer> | StreamedBody;
  contentType?: string;
  headers?: Record<string, string>;
  /** How long the program may run, in ms: the answer comes so much later. */
  runsFor?: number;
  /** Whether it may be sent again when it may have been carried out. Yes if absent. */
  repeatable?: boolean;
  /** Statuses that are answers and no refusals. */
  expected?: number[];
  signal?: AbortSignal | undefined;
  /** Whether it is one more of those on their way: that of a stream's tools, whose stream has a place. */
  beside?: boolean;
}

/** What sends requests. */
export interface Sender {
  json<T>(call: Call): Promise<T>;
  bytes(call: Call): Promise<Uint8Array>;
  run(code: string | undefined, options: RunOptions): Promise<RunResult>;
  stream(code: string | undefined, options: StreamOptions): RunStream;
}

/** A client of a faas-server. */
export class Faas {
  readonly url: string;
  readonly #token: string | undefined;
  readonly #requestTimeout: number;
  readonly #maxRetries: number;
  readonly #places: Places;
  readonly #fetch: typeof fetch;

  /** What programs left for others to start from: those of the caller's token. */
  readonly snapshots = {
    /** All of them, the oldest first. */
    list: (options?: RequestOptions): Promise<wire.SnapshotList> =>
      this.#json({ method: "GET", path: "snapshots", ...options }),
    /** Throws a GoneError, with the reason, if it was there, and a NotFoundError if it was not. */
    get: (snapshot: wire.Snapshot | string, options?: RequestOptions): Promise<wire.Snapshot> =>
      this.#json({ method: "GET", path: snapshotPath(snapshot), ...options }),
    /** Programs that started from it go on. */
    delete: async (snapshot: wire.Snapshot | string, options?: RequestOptions): Promise<void> => {
      const path = snapshotPath(snapshot);
      await this.#text({
        method: "DELETE",
        path,
        repeatable: false,
        expected: [204],
        ...options,
      });
    },
  };

  /** States that programs go on from, one after the other: those of the caller's token. */
  readonly sessions = {
    /** Opens one. */
    open: async (options: SessionOptions & RequestOptions = {}): Promise<Session> =>
      new Session(this.#sender, await this.#json(openSession(options))),
    /** Throws a GoneError, with the reason, if it was there, and a NotFoundError if it was not. */
    get: async (id: string, options?: RequestOptions): Promise<Session> => {
      const path = `sessions/${encodeURIComponent(id)}`;
      const headers = { "X-Session": id };
      return new Session(
        this.#sender,
        await this.#json({ method: "GET", path, headers, ...options }),
      );
    },
    /** All of them, the oldest first, or the one of this name. */
    list: async (query: { name?: string } & RequestOptions = {}): Promise<Session[]> => {
      const name = query.name === undefined ? "" : `?${new URLSearchParams({ name: query.name })}`;
      const call: Call = { method: "GET", path: `sessions${name}`, signal: query.signal };
      const { sessions } = await this.#json<wire.SessionList>(call);
      return sessions.map((info) => new Session(this.#sender, info));
    },
  };

  readonly #sender: Sender = {
    json: (call) => this.#json(call),
    bytes: async (call) => (await this.#bytes(call)).bytes,
    run: (code, options) => this.run(code, options),
    stream: (code, options) => this.stream(code, options),
  };

  /** What ran lately, if the service keeps a history. */
  readonly executions = {
    /** A page of it, newest first. */
    list: (query: ExecutionQuery = {}, options?: RequestOptions): Promise<wire.ExecutionList> => {
      const parts = Object.entries(query)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, value instanceof Date ? value.toISOString() : `${value}`]);
      return this.#json({
        method: "GET",
        path: `executions?${new URLSearchParams(parts)}`,
        ...options,
      });
    },
    /** One, by `RunResult.task_id`; with program and output if the service keeps those. */
    get: (task_id: string, options?: RequestOptions): Promise<wire.Execution> =>
      this.#json({ method: "GET", path: `executions/${encodeURIComponent(task_id)}`, ...options }),
  };

  constructor(options: FaasOptions = {}) {
    const url = options.url || variable("FAAS_URL") || DEFAULT_URL;
    if (!/^https?:\/\//.test(url)) {
      throw new TypeError(
        `the URL of the service must begin with http:// or https://: ${JSON.stringify(url)}`,
      );
    }
    this.url = url.replace(/\/+$/, "");
    this.#token = options.token || variable("FAAS_API_TOKEN");
    this.#requestTimeout = options.requestTimeout ?? 60_000;
    this.#maxRetries = options.maxRetries ?? 2;
    this.#places = new Places(options.maxConnections ?? 100);
    const send = options.fetch ?? fetch;
    this.#fetch = async (input, init) => send(input, init);
  }

  /**
   * Runs a program and waits for its end. A program that fails has a result, too. Throws a FaasError if the program
   * could not be run. Without code, `entry_point` names the one of `files` that is the program. Its tools are called
   * here; the results of calls that it made at the same time go to it together.
   */
  async run(code: string | undefined, options: RunOptions = {}): Promise<RunResult> {
    const { idempotencyKey = newKey(), ...rest } = options;
    // So that a request whose connection broke can be sent again without running its program again.
    const call = program(code, rest);
    const headers = { ...call.headers, "Idempotency-Key": idempotencyKey };
    let { text, response } = await this.#text({ ...call, headers });
    const tools = new Toolbox(options.tools ?? []);
    for (;;) {
      const answer = parsed<wire.RunResponse & Partial<Round>>(text);
      if (!answer.tool_calls) {
        return new RunResult(answer, response.headers.get("X-Request-Id") ?? undefined);
      }
      ({ text, response } = await this.#continue(tools, answer as Round, call));
    }
  }

  /** Runs a program whose output comes while it runs. */
  stream(code: string | undefined, options: StreamOptions = {}): RunStream {
    const sent = program(code, options);
    const headers = { ...sent.headers, Accept: "text/event-stream" };
    const call: Call = { ...sent, headers, repeatable: false };
    const tools = new Toolbox(options.tools ?? []);
    const answer = async (round: Round) => {
      try {
        await this.#continue(tools, round, { ...sent, beside: true });
      } catch (error) {
        // Of one that is gone the stream tells: the results had come, or the program was over.
        if (!(error instanceof GoneError)) throw error;
      }
    };
    return new RunStream(() => this.#retrying(call, () => this.#open(call)), answer);
  }

  /**
   * Runs one program over many inputs, or many programs. It starts when it is read; to stop reading ends it.
   *
   * An array of rows is sent at once. Anything else is sent row by row, as rows run and as their answers are read: it may
   * have any number. Browsers do not send so.
   */
  runBatch(rows: Rows, options: BatchOptions & RequestOptions = {}): Batch {
    const { signal, files, from, ...rest } = options;
    const head = { ...rest, ...parts({ files, from }), program: rows.program };
    const failure = {};
    const body = rowsBody(head, rows, failure);
    const call: Call = {
      method: "POST",
      path: "run_batch",
      body,
      contentType: typeof body === "string" ? "application/json" : "application/x-ndjson",
      headers: { Accept: "application/x-ndjson", ...route(parts({ from })) },
      runsFor: LONGEST_PROGRAM + (options.timeout ?? LONGEST_PROGRAM),
      signal,
    };
    return new Batch(() => this.#retrying(call, () => this.#open(call)), failure);
  }

  /** Tools as a prompt tells a model of them. */
  describeTools(
    tools: Omit<Tool, "run">[],
    options?: RequestOptions,
  ): Promise<{ python: string; typescript: string }> {
    const body = JSON.stringify({ tools: declarations(tools) });
    return this.#json({ method: "POST", path: "tools/describe", body, ...options });
  }

  /** Looks at a program without running it. */
  checkCode(
    code: string,
    options: { language?: wire.Language } & RequestOptions = {},
  ): Promise<CheckResult> {
    const { signal, ...rest } = options;
    const body = JSON.stringify({ code, ...rest });
    return this.#json({ method: "POST", path: "check_code", body, signal });
  }

  /** How the service is: `status` is `healthy`, or `reason` says why not. */
  health(options?: RequestOptions): Promise<wire.Health> {
    return this.#state({ method: "GET", path: "health", ...options });
  }

  /** Whether a program that came now would be taken: `status` is `ready`, or `reason` says why not. */
  ready(options: { language?: wire.Language } & RequestOptions = {}): Promise<wire.Ready> {
    const query = options.language ? `?language=${options.language}` : "";
    return this.#state({ method: "GET", path: `ready${query}`, signal: options.signal });
  }

  /** JSON of /health and /ready, which say with 503 what is wrong. A proxy may answer 503, too. */
  async #state<T extends { reason: string }>(call: Call): Promise<T> {
    const { text, response } = await this.#text({ ...call, expected: [200, 503] });
    try {
      const body = JSON.parse(text);
      if (typeof body.reason === "string") return body;
    } catch {
      // It is no JSON.
    }
    throw refusal(response, text);
  }

  async #json<T>(call: Call): Promise<T> {
    const { text } = await this.#text(call);
    return parsed(text);
  }

  /** Does what the program asks for, and hands on the results. */
  async #continue(tools: Toolbox, round: Round, begun: Call) {
    let results = await tools.call(round.tool_calls);
    for (;;) {
      const { runsFor, signal, beside } = begun;
      const headers = { "X-Session": round.continuation, "Idempotency-Key": newKey() };
      const body = JSON.stringify({ continuation: round.continuation, results });
      const call = { method: "POST", path: "run_code/continue", body, headers } as const;
      try {
        const limits = { expected: [200, 202], runsFor: runsFor ?? 0, beside: beside ?? false };
        return await this.#text({ ...call, ...limits, signal });
      } catch (error) {
        if (!(error instanceof InvalidRequestError)) throw error;
        results = tools.without(results, error);
      }
    }
  }

  /** The whole body of an answer. */
  async #text(call: Call): Promise<{ text: string; response: Response }> {
    const { bytes, response } = await this.#bytes(call);
    return { text: new TextDecoder().decode(bytes), response };
  }

  #bytes(call: Call): Promise<{ bytes: Uint8Array; response: Response }> {
    return this.#retrying(call, async () => {
      const opened = await this.#open(call);
      return { bytes: await bytesOf(opened), response: opened.response };
    });
  }

  async #retrying<T>(call: Call, send: () => Promise<T>): Promise<T> {
    const attempts = new Attempts(call, this.#maxRetries);
    for (;;) {
      let pause: number;
      try {
        return await send();
      } catch (error) {
        pause = attempts.after(error);
      }
      await sleep(pause, call.signal);
    }
  }

  /** An answer whose body is not read yet. */
  async #open(call: Call): Promise<Opened> {
    if (!call.beside) await this.#places.take();
    // Also between the parts of a stream: its program may be silent for as long as it may run.
    const patience = this.#requestTimeout + (call.runsFor ?? 0);
    const ended = () => call.beside || this.#places.give();
    const exchange = new Exchange(patience, call.signal, ended);
    const headers: Record<string, string> = { Accept: "application/json", ...call.headers };
    if (this.#token) headers["Authorization"] = `Bearer ${this.#token}`;
    if (call.body !== undefined) headers["Content-Type"] = call.contentType ?? "application/json";
    let accept = () => {};
    const accepted = new Promise<void>((resolve) => (accept = resolve));
    const streamed =
      typeof call.body === "function" ? call.body(accepted, exchange.signal) : undefined;
    const response = await exchange.part(
      this.#fetch(`${this.url}/${call.path}`, {
        method: call.method,
        headers,
        body: streamed ?? (call.body as string | Uint8Array<ArrayBuffer> | undefined) ?? null,
        ...(streamed && { duplex: "half" }),
        // The token is for this service only.
        redirect: "manual",
        signal: exchange.signal,
      }),
    );
    const opened = exchange.opened(response);
    if ((call.expected ?? [200]).includes(response.status)) {
      accept();
      return opened;
    }
    throw refusal(response, new TextDecoder().decode(await bytesOf(opened)));
  }
}

/** For requests on their way. */
class Places {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}

/** A request and its answer, each part of which has to come in time. */
class Exchange {
  readonly #controller = new AbortController();
  readonly #patience: number;
  readonly #caller: AbortSignal | undefined;
  readonly #abort = () => this.close();
  #ended: (() => void) | undefined;

  /** Milliseconds for each part; `ended` is called once. */
  constructor(patience: number, caller: AbortSignal | undefined, ended: () => void) {
    this.#patience = patience;
    this.#caller = caller;
    this.#ended = ended;
    if (caller?.aborted) this.close();
    caller?.throwIfAborted();
    caller?.addEventListener("abort", this.#abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  close(): void {
    this.#caller?.removeEventListener("abort", this.#abort);
    this.#controller.abort();
    this.#ended?.();
    this.#ended = undefined;
  }

  opened(response: Response): Opened {
    const reader = response.body?.getReader();
    const read = async () => reader && (await this.part(reader.read())).value;
    return { response, read, close: () => this.close() };
  }

  /** Waits for a part. What goes wrong becomes an error of ours. */
  async part<T>(part: Promise<T>): Promise<T> {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.close();
    }, this.#patience);
    try {
      return await part;
    } catch (cause) {
      this.#caller?.throwIfAborted();
      this.close();
      if (timedOut) throw new FaasTimeoutError("no answer in time", { cause });
      throw new FaasConnectionError(`no connection to the service: ${reasonOf(cause)}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Decides whether a request that failed is sent again. One that certainly was not carried out is: it was refused for
 * now, or there was no connection. One that may have been carried out is sent again only if that changes nothing.
 */
class Attempts {
  readonly #call: Call;
  #left: number;
  #pause = SHORTEST_PAUSE;
  #brokeOff = false;

  constructor(call: Call, maxRetries: number) {
    this.#call = call;
    this.#left = maxRetries;
  }

  /** The pause before the next try, in seconds. Throws the error if there is none. */
  after(error: unknown): number {
    const wanted = (error as StatusError).retry_after;
    if (this.#left === 0 || !this.#mayFollow(error) || (wanted ?? 0) > LONGEST_PAUSE) throw error;
    this.#left -= 1;
    const pause = wanted ?? this.#pause;
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    // Many clients that were refused together do not come back together.
    return pause * (1 + Math.random() / 4);
  }

  #mayFollow(error: unknown): boolean {
    if (error instanceof FaasConnectionError) {
      if (error instanceof FaasTimeoutError) return false;
      if (wasNotSent(error.cause)) return true;
      this.#brokeOff = true;
      return this.#call.repeatable ?? true;
    }
    // An earlier try is still running, or has not been noticed to be gone.
    if (error instanceof ConflictError) return this.#brokeOff;
    return TRY_LATER.includes((error as StatusError).status_code ?? 0);
  }
}

function program(code: string | undefined, options: StreamOptions): Call {
  const { signal, files, from, tools, ...rest } = options;
  const body = {
    ...rest,
    code,
    ...parts({ files, from }),
    tools: tools && declarations(tools),
  };
  const runsFor = options.timeout ?? LONGEST_PROGRAM;
  const headers = route(body);
  return { method: "POST", path: "run_code", headers, body: JSON.stringify(body), runsFor, signal };
}

function openSession(options: SessionOptions & RequestOptions): Call {
  const { signal, files, from, ...rest } = options;
  const body = { ...rest, ...parts({ files, from }) };
  // What it begins with is made at once. One whose answer was lost would be left over.
  const waits = { runsFor: LONGEST_PROGRAM, repeatable: false, expected: [201] };
  const headers = route(body);
  return {
    method: "POST",
    path: "sessions",
    body: JSON.stringify(body),
    headers,
    signal,
    ...waits,
  };
}

/** Parts of a request as the service names them. */
function parts({ files, from }: StartingPoint) {
  return {
    from: typeof from === "object" ? from.id : from,
    files: files && Object.entries(files).map(([name, content]) => file(name, content)),
  };
}

interface StartingPoint {
  files?: Record<string, FileContent> | undefined;
  from?: wire.Snapshot | string | undefined;
}

/** For balancers, which do not all read bodies: the one server that has it. */
function route(body: {
  session?: string | null;
  from?: string | undefined;
}): Record<string, string> {
  const kept = body.session ?? body.from;
  return kept === undefined ? {} : { "X-Session": kept };
}

function file(name: string, content: FileContent): object {
  if (typeof content === "string") return { name, content };
  return { name, content_base64: toBase64(content) };
}

async function bytesOf(opened: Opened): Promise<Uint8Array> {
  const parts = [];
  try {
    for (let part = await opened.read(); part; part = await opened.read()) parts.push(part);
  } finally {
    opened.close();
  }
  return joined(parts);
}

function joined(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** JSON of the service, which docs/openapi.json describes. */
function parsed<T>(text: string): T {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidAnswerError(`the answer is no JSON: ${text.slice(0, 200)}`, { cause });
  }
}

function snapshotPath(snapshot: wire.Snapshot | string): string {
  const id = typeof snapshot === "string" ? snapshot : snapshot.id;
  return `snapshots/${encodeURIComponent(id)}`;
}

function wasNotSent(cause: unknown): boolean {
  const { code } = ((cause as Error | undefined)?.cause ?? {}) as { code?: string };
  return NOT_SENT.includes(code ?? "");
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const { code, message: deeper } = (cause ?? {}) as Error & { code?: string };
  return deeper || code || message;
}

async function sleep(seconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, 1000 * seconds);
    signal?.addEventListener("abort", done);
  });
  signal?.throwIfAborted();
}

/** A variable of the environment, where there is one. */
function variable(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name];
}

/** Random digits. Browsers have crypto.randomUUID for pages of https only. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
