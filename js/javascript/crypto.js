// The parts of Web Crypto that programs use without a network: random values, UUIDs, digests, and HMAC,
// with which requests are signed.

import { core, primordials } from "ext:core/mod.js";
import { op_faas_digest, op_faas_hmac, op_faas_random } from "ext:core/ops";
import { inspect } from "ext:faas_javascript/inspect.js";

const {
  ArrayBufferIsView,
  ArrayPrototypePush,
  DataViewPrototypeGetBuffer,
  DataViewPrototypeGetByteLength,
  DataViewPrototypeGetByteOffset,
  ObjectDefineProperty,
  PromiseReject,
  PromiseResolve,
  RegExpPrototypeExec,
  SafeRegExp,
  SafeSet,
  StringPrototypeReplaceAll,
  StringPrototypeToUpperCase,
  Symbol,
  SymbolFor,
  SymbolToStringTag,
  TypedArrayPrototypeGetBuffer,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset,
  TypedArrayPrototypeGetSymbolToStringTag,
  TypedArrayPrototypeSlice,
  TypeError,
  Uint8Array,
} = primordials;

const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const infra = core.loadExtScript("ext:deno_web/00_infra.js");
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

// https://w3c.github.io/webcrypto/#Crypto-method-getRandomValues
const MAX_RANDOM_BYTES = 65536;
/** @type {Set<string | undefined>} */
const INTEGER_ARRAYS = new SafeSet([
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
]);
const DIGESTS = new SafeSet(["SHA-1", "SHA-256", "SHA-384", "SHA-512"]);
const OTHER_METHODS = ["decrypt", "deriveBits", "deriveKey", "encrypt", "unwrapKey", "wrapKey"];

// Names of HMAC with each hash, in keys that are JSON.
/** @type {Record<string, string>} */
const ALGORITHMS = {
  // @ts-expect-error: no names of the prototype's.
  __proto__: null,
  "SHA-1": "HS1",
  "SHA-256": "HS256",
  "SHA-384": "HS384",
  "SHA-512": "HS512",
};
const BASE64_URL = new SafeRegExp("^[A-Za-z0-9_-]*={0,2}$");

const ours = Symbol("ours");

/** @type {(key: unknown) => void} */
function checkConstructor(key) {
  if (key !== ours) throw new TypeError("Illegal constructor");
}

/** @type {(constructor: Function, name: string) => void} */
function tag(constructor, name) {
  ObjectDefineProperty(constructor.prototype, SymbolToStringTag, {
    __proto__: null,
    value: name,
    configurable: true,
  });
}

// Of a typed array or a DataView.
/**
 * @template T
 * @param {(view: View) => T} ofTypedArray
 * @param {(view: View) => T} ofDataView
 * @returns {(view: View) => T}
 */
function accessor(ofTypedArray, ofDataView) {
  return (view) => (core.isDataView(view) ? ofDataView(view) : ofTypedArray(view));
}
const bufferOf = accessor(TypedArrayPrototypeGetBuffer, DataViewPrototypeGetBuffer);
const offsetOf = accessor(TypedArrayPrototypeGetByteOffset, DataViewPrototypeGetByteOffset);
const lengthOf = accessor(TypedArrayPrototypeGetByteLength, DataViewPrototypeGetByteLength);

/** @type {(message: string, name: string) => Error} */
function exception(message, name) {
  return new DOMException(message, name);
}

// The name of an algorithm, in capitals.
/** @type {(algorithm: any, prefix: string, position: string) => string} */
function nameOf(algorithm, prefix, position) {
  const name = typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm;
  return StringPrototypeToUpperCase(webidl.converters.DOMString(name, prefix, position));
}

/** @type {(algorithm: any, prefix: string, position: string) => string} */
function hashOf(algorithm, prefix, position) {
  const hash = nameOf(algorithm, prefix, position);
  if (!DIGESTS.has(hash)) {
    throw exception(`Unrecognized algorithm name: ${hash}`, "NotSupportedError");
  }
  return hash;
}

// The bytes of a buffer or a view; not a copy.
/** @type {(data: unknown, prefix: string, position: string) => Uint8Array<ArrayBuffer>} */
function bytesOf(data, prefix, position) {
  const source = webidl.converters.BufferSource(data, prefix, position);
  return ArrayBufferIsView(source)
    ? new Uint8Array(bufferOf(source), offsetOf(source), lengthOf(source))
    : new Uint8Array(source);
}

/** @type {(name: string) => string} */
const failedTo = (name) => `Failed to execute '${name}' on 'SubtleCrypto'`;

/** @type {(args: unknown[]) => ArrayBuffer} */
function digest(args) {
  const prefix = failedTo("digest");
  webidl.requiredArguments(args.length, 2, prefix);
  const hash = hashOf(args[0], prefix, "Argument 1");
  return TypedArrayPrototypeGetBuffer(op_faas_digest(hash, bytesOf(args[1], prefix, "Argument 2")));
}

// A key for HMAC; there are no others.
class CryptoKey {
  /** @type {Uint8Array<ArrayBuffer>} */
  #bytes;
  #hash;
  #extractable;
  /** @type {any} */
  #algorithm;
  /** @type {string[]} */
  #usages;

  /**
   * @param {unknown} key
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {string} hash
   * @param {boolean} extractable
   * @param {string[]} usages
   */
  constructor(key, bytes, hash, extractable, usages) {
    checkConstructor(key);
    this.#bytes = bytes;
    this.#hash = hash;
    this.#extractable = extractable;
    const length = TypedArrayPrototypeGetByteLength(bytes) * 8;
    this.#algorithm = { name: "HMAC", hash: { name: hash }, length };
    this.#usages = usages;
  }
  get type() {
    return this.#usages && "secret";
  }
  get extractable() {
    return this.#extractable;
  }
  get algorithm() {
    return this.#algorithm;
  }
  get usages() {
    return this.#usages;
  }
  /** @param {number} depth @param {any} options */
  [SymbolFor("nodejs.util.inspect.custom")](depth, options) {
    const { type, extractable, algorithm, usages } = this;
    const shown = { type, extractable, algorithm, usages };
    return `CryptoKey ${inspect(shown, { ...options, depth: depth - 1 })}`;
  }

  // What only this file may see of a key.
  /** @type {(value: any, name: string, position: string) => { bytes: Uint8Array<ArrayBuffer>; hash: string; extractable: boolean; usages: string[] }} */
  static open(value, name, position) {
    if (typeof value !== "object" || value === null || !(#bytes in value)) {
      throw new TypeError(`${failedTo(name)}: ${position} is not of type CryptoKey.`);
    }
    return {
      bytes: value.#bytes,
      hash: value.#hash,
      extractable: value.#extractable,
      usages: value.#usages,
    };
  }
}
const { open } = CryptoKey;
// @ts-expect-error: programs see the class.
delete CryptoKey.open;
tag(CryptoKey, "CryptoKey");

/** @type {(algorithm: any, name: string, position: string) => void} */
function checkHmac(algorithm, name, position) {
  const given = nameOf(algorithm, failedTo(name), position);
  if (given !== "HMAC") {
    throw exception(
      `The sandbox has no ${given} for crypto.subtle.${name}: only HMAC is there`,
      "NotSupportedError",
    );
  }
}

// What a key may be used for, each once.
/** @type {(given: any, verb: string) => string[]} */
function usagesOf(given, verb) {
  /** @type {string[]} */
  const asked = webidl.converters["sequence<DOMString>"](given, failedTo("importKey"), "keyUsages");
  /** @type {string[]} */
  const usages = [];
  for (let i = 0; i < asked.length; i++) {
    const usage = asked[i];
    if (usage !== "sign" && usage !== "verify") {
      throw exception("Unsupported key usage for an HMAC key", "SyntaxError");
    }
    if (usages[0] !== usage && usages[1] !== usage) ArrayPrototypePush(usages, usage);
  }
  if (usages.length === 0) {
    throw exception(`Usages cannot be empty when ${verb} key.`, "SyntaxError");
  }
  return usages;
}

// Keys of a length that is given in bits: whole bytes, of the last one only so many bits.
/** @type {(length: unknown) => number | undefined} */
function bitsOf(length) {
  if (length === undefined) return undefined;
  const bits = webidl.converters["unsigned long"](length, failedTo("importKey"), "length", {
    enforceRange: true,
  });
  if (bits === 0 || bits % 8 !== 0) {
    throw exception("The length of an HMAC key must be a multiple of 8 bits", "OperationError");
  }
  return bits;
}

/** @type {(args: unknown[]) => CryptoKey} */
function importKey(args) {
  const prefix = failedTo("importKey");
  webidl.requiredArguments(args.length, 5, prefix);
  const format = `${args[0]}`;
  /** @type {any} */
  const algorithm = args[2];
  checkHmac(algorithm, "importKey", "Argument 3");
  const hash = hashOf(algorithm.hash, prefix, "algorithm.hash");
  const usages = usagesOf(args[4], "importing a secret");
  /** @type {Uint8Array<ArrayBuffer>} */
  let bytes;
  if (format === "raw") {
    bytes = TypedArrayPrototypeSlice(bytesOf(args[1], prefix, "Argument 2"));
  } else if (format === "jwk") {
    bytes = bytesOfJwk(args[1], hash, usages, !!args[3]);
  } else {
    throw exception(`Unable to import HMAC key with format ${format}`, "NotSupportedError");
  }
  const length = TypedArrayPrototypeGetByteLength(bytes);
  if (length === 0) throw exception("Zero-length key is not supported", "DataError");
  const bits = bitsOf(algorithm.length);
  if (bits !== undefined && bits !== length * 8) {
    throw exception("Invalid key length", "DataError");
  }
  return new CryptoKey(ours, bytes, hash, !!args[3], usages);
}

/** @type {(jwk: any, hash: string, usages: string[], extractable: boolean) => Uint8Array<ArrayBuffer>} */
function bytesOfJwk(jwk, hash, usages, extractable) {
  if (typeof jwk !== "object" || jwk === null) throw exception("Invalid keyData", "DataError");
  if (jwk.kty !== "oct") throw exception('Invalid JWK "kty" Parameter', "DataError");
  if (jwk.use !== undefined && jwk.use !== "sig") {
    throw exception('Invalid JWK "use" Parameter', "DataError");
  }
  if (jwk.ext !== undefined && !jwk.ext && extractable) {
    throw exception('JWK "ext" Parameter and extractable mismatch', "DataError");
  }
  if (jwk.alg !== undefined && jwk.alg !== ALGORITHMS[hash]) {
    throw exception('JWK "alg" does not match the requested algorithm', "DataError");
  }
  if (jwk.key_ops !== undefined) {
    const allowed = new SafeSet(webidl.converters["sequence<DOMString>"](jwk.key_ops));
    for (let i = 0; i < usages.length; i++) {
      if (!allowed.has(usages[i])) {
        throw exception("Key operations and usage mismatch", "DataError");
      }
    }
  }
  if (typeof jwk.k !== "string" || RegExpPrototypeExec(BASE64_URL, jwk.k) === null) {
    throw exception("Invalid JWK keyData", "DataError");
  }
  const text = StringPrototypeReplaceAll(StringPrototypeReplaceAll(jwk.k, "-", "+"), "_", "/");
  return infra.forgivingBase64Decode(text);
}

/** @type {(bytes: Uint8Array) => string} */
function base64Url(bytes) {
  const text = infra.forgivingBase64Encode(bytes);
  const unpadded = StringPrototypeReplaceAll(text, "=", "");
  return StringPrototypeReplaceAll(StringPrototypeReplaceAll(unpadded, "+", "-"), "/", "_");
}

/** @type {(args: unknown[]) => unknown} */
function exportKey(args) {
  webidl.requiredArguments(args.length, 2, failedTo("exportKey"));
  const format = `${args[0]}`;
  const { bytes, hash, extractable, usages } = open(args[1], "exportKey", "2nd argument");
  if (format !== "raw" && format !== "jwk") {
    throw exception(`Unable to export a HMAC key with format ${format}`, "NotSupportedError");
  }
  if (!extractable) throw exception("key is not extractable", "InvalidAccessError");
  if (format === "raw") return TypedArrayPrototypeGetBuffer(TypedArrayPrototypeSlice(bytes));
  return {
    key_ops: usages,
    ext: true,
    kty: "oct",
    k: base64Url(bytes),
    alg: ALGORITHMS[hash],
  };
}

/** @type {(args: unknown[]) => CryptoKey} */
function generateKey(args) {
  const prefix = failedTo("generateKey");
  webidl.requiredArguments(args.length, 3, prefix);
  /** @type {any} */
  const algorithm = args[0];
  checkHmac(algorithm, "generateKey", "Argument 1");
  const hash = hashOf(algorithm.hash, prefix, "algorithm.hash");
  const usages = usagesOf(args[2], "creating a");
  const bits = bitsOf(algorithm.length) ?? (hash === "SHA-1" || hash === "SHA-256" ? 512 : 1024);
  const bytes = new Uint8Array(bits / 8);
  op_faas_random(bytes);
  return new CryptoKey(ours, bytes, hash, !!args[1], usages);
}

/** @type {(name: "sign" | "verify", key: unknown, data: unknown) => Uint8Array<ArrayBuffer>} */
function hmac(name, key, data) {
  const { bytes, hash, usages } = open(key, name, "2nd argument");
  const isAllowed = usages[0] === name || usages[1] === name;
  if (!isAllowed) throw exception(`Unable to use this key to ${name}`, "InvalidAccessError");
  return op_faas_hmac(hash, bytes, bytesOf(data, failedTo(name), "data"));
}

/** @type {(args: unknown[]) => ArrayBuffer} */
function sign(args) {
  webidl.requiredArguments(args.length, 3, failedTo("sign"));
  checkHmac(args[0], "sign", "Argument 1");
  return TypedArrayPrototypeGetBuffer(hmac("sign", args[1], args[2]));
}

/** @type {(args: unknown[]) => boolean} */
function verify(args) {
  const prefix = failedTo("verify");
  webidl.requiredArguments(args.length, 4, prefix);
  checkHmac(args[0], "verify", "Argument 1");
  const given = bytesOf(args[2], prefix, "Argument 3");
  const right = hmac("verify", args[1], args[3]);
  const length = TypedArrayPrototypeGetByteLength(right);
  if (TypedArrayPrototypeGetByteLength(given) !== length) return false;
  let difference = 0;
  for (let i = 0; i < length; i++) difference |= given[i] ^ right[i];
  return difference === 0;
}

// What fails is a promise that is rejected.
/** @type {(work: (args: unknown[]) => unknown, args: unknown[]) => Promise<unknown>} */
function promised(work, args) {
  try {
    return PromiseResolve(work(args));
  } catch (error) {
    return PromiseReject(error);
  }
}

class SubtleCrypto {
  /** @param {unknown} key */
  constructor(key) {
    checkConstructor(key);
  }
  /** @param {unknown[]} args */
  digest(...args) {
    return promised(digest, args);
  }
  /** @param {unknown[]} args */
  exportKey(...args) {
    return promised(exportKey, args);
  }
  /** @param {unknown[]} args */
  generateKey(...args) {
    return promised(generateKey, args);
  }
  /** @param {unknown[]} args */
  importKey(...args) {
    return promised(importKey, args);
  }
  /** @param {unknown[]} args */
  sign(...args) {
    return promised(sign, args);
  }
  /** @param {unknown[]} args */
  verify(...args) {
    return promised(verify, args);
  }
}
for (let i = 0; i < OTHER_METHODS.length; i++) {
  const name = OTHER_METHODS[i];
  const method = () =>
    PromiseReject(
      new DOMException(
        `The sandbox has no crypto.subtle.${name}: only digests and HMAC are there`,
        "NotSupportedError",
      ),
    );
  ObjectDefineProperty(method, "name", { __proto__: null, value: name });
  /** @type {any} */ (SubtleCrypto.prototype)[name] = method;
}
tag(SubtleCrypto, "SubtleCrypto");

class Crypto {
  #subtle = new SubtleCrypto(ours);

  /** @param {unknown} key */
  constructor(key) {
    checkConstructor(key);
  }
  get subtle() {
    return this.#subtle;
  }
  /** @param {any} array */
  getRandomValues(array) {
    if (!INTEGER_ARRAYS.has(TypedArrayPrototypeGetSymbolToStringTag(array))) {
      throw new DOMException(
        "The data argument must be an integer-type TypedArray",
        "TypeMismatchError",
      );
    }
    const length = TypedArrayPrototypeGetByteLength(array);
    if (length > MAX_RANDOM_BYTES) {
      throw new DOMException(
        `The requested length exceeds ${MAX_RANDOM_BYTES} bytes`,
        "QuotaExceededError",
      );
    }
    const buffer = TypedArrayPrototypeGetBuffer(array);
    op_faas_random(new Uint8Array(buffer, TypedArrayPrototypeGetByteOffset(array), length));
    return array;
  }
  randomUUID() {
    op_faas_random(uuid);
    uuid[6] = (uuid[6] & 0x0f) | 0x40;
    uuid[8] = (uuid[8] & 0x3f) | 0x80;
    let text = "";
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
      text += HEX[uuid[i] >> 4] + HEX[uuid[i] & 15];
    }
    return text;
  }
}
tag(Crypto, "Crypto");

const HEX = "0123456789abcdef";
const uuid = new Uint8Array(16);

export const crypto = new Crypto(ours);
export { Crypto, CryptoKey, SubtleCrypto };
