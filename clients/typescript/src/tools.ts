/** Tools: functions of the caller that a program may call. */

import { InvalidRequestError } from "./errors.js";

/** JSON Schema. */
export type Schema = Record<string, unknown>;

/** A function that a program may call, and what the program is told of it. */
export interface Tool<Input = any, Output = unknown> {
  /** Letters, digits, underscores, dashes and dots. */
  name: string;
  /** What it does, for who writes the program. */
  description?: string;
  /** JSON Schema of its input, an object. Anything without it. */
  inputSchema?: Schema;
  /** JSON Schema of its result. */
  outputSchema?: Schema;
  /** What it throws becomes an exception of the program: class and message, never a stack. */
  run(input: Input): Output | Promise<Output>;
}

/** What a program wants to know of a tool. */
export interface ToolCall {
  id: string;
  /** Of the tool. */
  name: string;
  /** Fits the tool's `inputSchema`. */
  input: unknown;
}

/** The calls that a program waits for. */
export interface Round {
  tool_calls: ToolCall[];
  continuation: string;
}

interface CallResult {
  id: string;
  result?: unknown;
  error?: string;
}

/** A tool whose input and result have types. */
export function tool<Input, Output>(of: Tool<Input, Output>): Tool<Input, Output> {
  return of;
}

/** @internal What the service is told. */
export function declarations(tools: Omit<Tool, "run">[]): object[] {
  return tools.map(({ name, description, inputSchema, outputSchema }) => ({
    name,
    description,
    input_schema: inputSchema,
    output_schema: outputSchema,
  }));
}

/** @internal The tools of one program. */
export class Toolbox {
  readonly #byName: Map<string, Tool>;

  constructor(tools: Tool[]) {
    this.#byName = new Map(tools.map((each) => [each.name, each]));
  }

  /** The results of a round, when all are there. Its calls run at the same time. */
  call(calls: ToolCall[]): Promise<CallResult[]> {
    return Promise.all(calls.map((call) => this.#result(call)));
  }

  /** The results as errors, or the one of them that was refused. Throws if the errors were refused. */
  without(results: CallResult[], refused: InvalidRequestError): CallResult[] {
    if (results.every((result) => result.error !== undefined)) throw refused;
    const isNamed = ({ id }: CallResult) => refused.error.includes(JSON.stringify(id));
    const anyIsNamed = results.some(isNamed);
    return results.map((result) =>
      anyIsNamed && !isNamed(result) ? result : { id: result.id, error: textOf(refused) },
    );
  }

  async #result({ id, name, input }: ToolCall): Promise<CallResult> {
    try {
      const found = this.#byName.get(name);
      if (!found) throw new TypeError(`there is no tool ${name}`);
      const result = (await found.run(input)) ?? null;
      // What JSON does not have is an error of this call, and not of the request.
      JSON.stringify(result);
      return { id, result };
    } catch (error) {
      return { id, error: textOf(error) };
    }
  }
}

/** Never a stack, which would show the program its caller's code. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message ? `${error.name}: ${error.message}` : error.name;
}
