// Files of a program: those that came with the request, and those that go back with the answer.

import { core, primordials } from "ext:core/mod.js";
import { op_faas_input_files, op_faas_put_file } from "ext:core/ops";

const {
  ArrayBufferIsView,
  ArrayPrototypePush,
  ArrayPrototypeSlice,
  DataViewPrototypeGetBuffer,
  Error,
  ObjectFreeze,
  SafeMap,
  String,
  TypedArrayPrototypeGetBuffer,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetByteOffset,
  TypedArrayPrototypeGetSymbolToStringTag,
  TypedArrayPrototypeSlice,
  Uint8Array,
} = primordials;

// Bytes of a string, an ArrayBuffer or a view of one.
/** @type {(data: any) => Uint8Array} */
export function bytesOf(data) {
  if (!ArrayBufferIsView(data)) {
    return core.isAnyArrayBuffer(data) ? new Uint8Array(data) : core.encode(String(data));
  }
  if (TypedArrayPrototypeGetSymbolToStringTag(data) === undefined) {
    return new Uint8Array(DataViewPrototypeGetBuffer(data), data.byteOffset, data.byteLength);
  }
  return new Uint8Array(
    TypedArrayPrototypeGetBuffer(data),
    TypedArrayPrototypeGetByteOffset(data),
    TypedArrayPrototypeGetByteLength(data),
  );
}

/** @type {Map<string, Uint8Array>} */
let files;
/** @type {string[]} */
let names;
let areTaken = false;

// Makes ready for a program. One that goes on has the files of the last one, too.
/** @type {(goesOn: boolean) => void} */
export function beginFiles(goesOn) {
  if (!goesOn) {
    files = new SafeMap();
    names = [];
  }
  areTaken = false;
}

export function createFiles() {
  function all() {
    if (!areTaken) {
      areTaken = true;
      const given = op_faas_input_files();
      for (let i = 0; i < given.length; i++) {
        const { name, contents } = given[i];
        if (!files.has(name)) ArrayPrototypePush(names, name);
        files.set(name, contents);
      }
    }
    return files;
  }

  /** @type {(name: unknown) => Uint8Array} */
  function get(name) {
    const contents = all().get(String(name));
    if (contents === undefined) throw new Error(`No file "${name}" came with the request`);
    return contents;
  }

  return ObjectFreeze({
    // Names of the files that came with the request.
    list: () => (all(), ArrayPrototypeSlice(names)),
    // A file's bytes, or its text.
    /** @type {(name: unknown) => Uint8Array} */
    read: (name) => TypedArrayPrototypeSlice(get(name)),
    /** @type {(name: unknown) => string} */
    text: (name) => core.decode(get(name)),
    // Hands a file back with the answer.
    /** @type {(name: unknown, data: unknown) => void} */
    write: (name, data) => op_faas_put_file(String(name), bytesOf(data)),
  });
}
