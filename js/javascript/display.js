// Results as a notebook shows them: one thing in several ways, by media type.

import { core, primordials } from "ext:core/mod.js";
import {
  op_faas_print,
  op_faas_represent,
  op_faas_represent_bytes,
  op_faas_show,
} from "ext:core/ops";
import { bytesOf } from "ext:faas_javascript/files.js";
import { inspect } from "ext:faas_javascript/inspect.js";

const { ArrayBufferIsView, JSONStringify, ObjectKeys, String, SymbolFor, TypeError } = primordials;

const STDERR = 2;
// The method with which values say how they are shown, as in Deno's notebooks.
const DISPLAY = SymbolFor("Jupyter.display");

// Shows a value with the answer, also in the ways that are given by media type.
/** @type {(value: unknown, representations?: unknown) => void} */
export function display(value, representations) {
  show(value, false, representations);
}

/** @type {(value: any, isMain: boolean, representations?: unknown) => void} */
export function show(value, isMain, representations) {
  const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
  const method = isObject ? value[DISPLAY] : undefined;
  const own = typeof method === "function" ? value[DISPLAY]() : undefined;
  /** @type {Record<string, unknown>} */
  const shown = { __proto__: null, "text/plain": inspect(value) };
  add(shown, own);
  add(shown, representations);
  const types = ObjectKeys(shown);
  for (let i = 0; i < types.length; i++) represent(types[i], shown[types[i]]);
  op_faas_show(isMain, null);
}

// Shows what ended the program. False if it has to be printed.
/** @type {(error: any, traceback: string) => boolean} */
export function showError(error, traceback) {
  try {
    const isError = core.isNativeError(error);
    const shown = {
      __proto__: null,
      name: isError ? String(error.name) : "Uncaught",
      value: isError ? String(error.message) : inspect(error),
      traceback,
    };
    // As crates/faas-protocol/src/job.rs has it.
    op_faas_represent(
      "application/vnd.faas.error+json",
      /** @type {string} */ (JSONStringify(shown)),
      true,
    );
    op_faas_show(false, null);
    return true;
  } catch {
    return false;
  }
}

/** @type {(shown: Record<string, unknown>, representations: any) => void} */
function add(shown, representations) {
  if (representations === undefined || representations === null) return;
  if (typeof representations !== "object") {
    throw new TypeError(
      'display takes representations by media type, such as {"text/html": "<b>1</b>"}',
    );
  }
  const types = ObjectKeys(representations);
  for (let i = 0; i < types.length; i++) shown[types[i]] = representations[types[i]];
}

// Sends text as it is, bytes, and anything else as JSON. What is too large is left out.
/** @type {(mediaType: string, content: unknown) => void} */
function represent(mediaType, content) {
  if (content === undefined || content === null) return;
  try {
    if (typeof content === "string") {
      op_faas_represent(mediaType, content, false);
    } else if (ArrayBufferIsView(content) || core.isAnyArrayBuffer(content)) {
      op_faas_represent_bytes(mediaType, bytesOf(content));
    } else {
      const json = JSONStringify(content);
      if (json !== undefined) op_faas_represent(mediaType, json, true);
    }
  } catch (error) {
    const reason = core.isNativeError(error) ? error.message : inspect(error);
    op_faas_print(STDERR, `Not shown as ${mediaType}: ${reason}\n`);
  }
}
