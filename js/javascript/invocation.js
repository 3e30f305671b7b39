// What a command line would give a program: its arguments, its standard input.

import { primordials } from "ext:core/mod.js";
import { op_faas_invocation } from "ext:core/ops";

const {
  ArrayPrototypePush,
  ObjectFreeze,
  StringPrototypeEndsWith,
  StringPrototypeIndexOf,
  StringPrototypeSlice,
} = primordials;

// What the program has not read yet of its standard input.
let rest = "";
let areErrorsShown = false;

// Makes ready for a program. Returns its arguments, and its tools as JSON text, if it has any.
export function beginInvocation() {
  const { stdin, arguments: args, tools, showsErrors } = op_faas_invocation();
  rest = stdin ?? "";
  areErrorsShown = showsErrors;
  return { args, tools };
}

// Whether an error that ends the program is shown rather than printed.
export function showsErrors() {
  return areErrorsShown;
}

// The next line without its end, or null after the last.
function readLine() {
  if (rest === "") return null;
  const end = StringPrototypeIndexOf(rest, "\n");
  const line = end === -1 ? rest : StringPrototypeSlice(rest, 0, end);
  rest = end === -1 ? "" : StringPrototypeSlice(rest, end + 1);
  return StringPrototypeEndsWith(line, "\r") ? StringPrototypeSlice(line, 0, -1) : line;
}

export const stdin = ObjectFreeze({
  // All that was not read yet.
  text() {
    const text = rest;
    rest = "";
    return text;
  },
  readLine,
  // The lines that were not read yet.
  lines() {
    /** @type {string[]} */
    const lines = [];
    for (let line = readLine(); line !== null; line = readLine()) ArrayPrototypePush(lines, line);
    return lines;
  },
});
