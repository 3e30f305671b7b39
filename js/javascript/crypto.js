// The parts of Web Crypto that need no keys: random values, UUIDs, digests.

import { core, primordials } from "ext:core/mod.js";
import { op_faas_digest, op_faas_random } from "ext:core/ops";

const {
  ArrayBufferIsView,
  DataViewPrototypeGetBuffer,
  DataViewPrototypeGetByteLength,
  DataViewPrototypeGetByteOffset,
  ObjectDefineProperty,
  PromiseReject,
  PromiseResolve,
  SafeSet,
  StringPrototypeToUpperCase,
  Symbol,
  SymbolToStringTag,
  TypedArrayPrototypeGetBuffer,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset,
  TypedArrayPrototypeGetSymbolToStringTag,
  TypeError,
  Uint8Array,
} = primordials;

const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");
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
const OTHER_METHODS = [
  "decrypt",
  "deriveBits",
  "deriveKey",
  "encrypt",
  "exportKey",
  "generateKey",
  "importKey",
  "sign",
  "unwrapKey",
  "verify",
  "wrapKey",
];

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

/** @type {(algorithm: any, data: unknown) => ArrayBuffer} */
function digest(algorithm, data) {
  const prefix = "Failed to execute 'digest' on 'SubtleCrypto'";
  webidl.requiredArguments(arguments.length, 2, prefix);
  const name = typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm;
  const hash = StringPrototypeToUpperCase(webidl.converters.DOMString(name, prefix, "Argument 1"));
  const source = webidl.converters.BufferSource(data, prefix, "Argument 2");
  if (!DIGESTS.has(hash)) {
    throw new DOMException(`Unrecognized algorithm name: ${hash}`, "NotSupportedError");
  }
  const bytes = ArrayBufferIsView(source)
    ? new Uint8Array(bufferOf(source), offsetOf(source), lengthOf(source))
    : new Uint8Array(source);
  return TypedArrayPrototypeGetBuffer(op_faas_digest(hash, bytes));
}

class SubtleCrypto {
  /** @param {unknown} key */
  constructor(key) {
    checkConstructor(key);
  }
  /** @param {unknown[]} args */
  digest(...args) {
    try {
      return PromiseResolve(digest(args[0], args[1]));
    } catch (error) {
      return PromiseReject(error);
    }
  }
}
for (let i = 0; i < OTHER_METHODS.length; i++) {
  const name = OTHER_METHODS[i];
  const method = () =>
    PromiseReject(
      new DOMException(
        `The sandbox has no crypto.subtle.${name}: only digest is there`,
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
export { Crypto, SubtleCrypto };
