// Files of a program: those that came with the request, and those that go back with the answer.

import { core, primordials } from "ext:core/mod.js";
import { op_faas_input_files, op_faas_put_file } from "ext:core/ops";

const {
  ArrayBufferIsView,
  ArrayPrototypeMap,
  ArrayPrototypePush,
  ArrayPrototypeSlice,
  DataViewPrototypeGetBuffer,
  Error,
  JSONStringify,
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

// What a change that was made returns (crates/faas-protocol/src/tending.rs).
const DONE = "done";

// Lists, reads, deletes or takes files, for who looks into what programs left.
/** @type {(what: string, file: string) => string | undefined} */
export function tendFiles(what, file) {
  all();
  if (what === "list") {
    const list = ArrayPrototypeMap(names, (name) => ({
      name,
      size: TypedArrayPrototypeGetByteLength(/** @type {Uint8Array} */ (files.get(name))),
    }));
    return JSONStringify({ entries: list, more: 0 });
  }
  // There are no directories, but names may look as if there were.
  if (what === "put" || what === "make") return DONE;
  const contents = files.get(file);
  if (contents === undefined) return undefined;
  if (what === "read") {
    op_faas_put_file(file, contents);
  } else {
    files.delete(file);
    /** @type {string[]} */
    const kept = [];
    for (let i = 0; i < names.length; i++) {
      if (names[i] !== file) ArrayPrototypePush(kept, names[i]);
    }
    names = kept;
  }
  return DONE;
}

export function createFiles() {
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
