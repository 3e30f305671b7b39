// `URL` with the errors of Node.js: deno_web's have no code, by which programs tell them.

import { core, primordials } from "ext:core/mod.js";

const {
  ErrorCaptureStackTrace,
  ObjectDefineProperty,
  ReflectConstruct,
  String,
  StringPrototypeStartsWith,
  TypeError,
} = primordials;

/** @type {any} */
const { URL: WebURL } = core.loadExtScript("ext:deno_web/00_url.js");

// Not a class: a constructor of a class could not hand its `new.target` on.
/** @type {any} */
export const URL = function URL(/** @type {unknown[]} */ ...args) {
  if (new.target === undefined) {
    throw new TypeError("Class constructor URL cannot be invoked without 'new'");
  }
  try {
    return ReflectConstruct(WebURL, args, new.target);
  } catch (error) {
    const isInvalid =
      core.isNativeError(error) && StringPrototypeStartsWith(String(error.message), "Invalid URL");
    if (!isInvalid) throw error;
  }
  /** @type {TypeError & { code?: string; input?: string; base?: string }} */
  const error = new TypeError("Invalid URL");
  ErrorCaptureStackTrace(error, URL);
  error.code = "ERR_INVALID_URL";
  error.input = String(args[0]);
  if (args[1] !== undefined) error.base = String(args[1]);
  throw error;
};

/** @type {(object: object, name: string, value: unknown) => void} */
function define(object, name, value) {
  ObjectDefineProperty(object, name, {
    __proto__: null,
    value,
    writable: name !== "prototype",
    configurable: name !== "prototype",
  });
}
define(URL, "prototype", WebURL.prototype);
define(WebURL.prototype, "constructor", URL);
ObjectDefineProperty(URL, "length", { __proto__: null, value: 1, configurable: true });
for (const name of ["parse", "canParse"]) define(URL, name, WebURL[name]);
