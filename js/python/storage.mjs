// Bounds what programs may put into files. Emscripten's MEMFS keeps them in memory of JavaScript's;
// its files grow by being written or truncated (to more).
/** @param {any} FS Emscripten's file system */
export function limitStorage(FS) {
  const { MEMFS } = FS.filesystems;
  // Emscripten's numbers.
  const ENOMEM = 48;
  const ENOSPC = 51;
  let base = 0;
  let used = 0;
  let limit = Infinity;

  /** @type {(node: any) => number} */
  function measure(node) {
    if (!FS.isDir(node.mode)) return node.usedBytes ?? 0;
    let bytes = 0;
    for (const child of Object.values(node.contents)) {
      if (!FS.isMountpoint(child)) bytes += measure(child);
    }
    return bytes;
  }

  // Files that are gone are not counted off one by one: all are counted again when it matters.
  /** @type {(bytes: number) => void} */
  function claim(bytes) {
    if (used + bytes <= limit) {
      used += bytes;
      return;
    }
    used = measure(FS.root) - base;
    if (used + bytes > limit) throw new FS.ErrnoError(ENOSPC);
    used += bytes;
  }

  // An exception that is not one of the file system's would go through Python's code and leave it broken.
  /** @type {<T>(grow: () => T) => T} */
  function orNoMemory(grow) {
    try {
      return grow();
    } catch (error) {
      if (error instanceof RangeError) throw new FS.ErrnoError(ENOMEM);
      throw error;
    }
  }

  const operations = MEMFS.ops_table.file.stream;
  const { write } = operations;
  /** @type {(...args: any[]) => number} */
  operations.write = (stream, buffer, offset, length, position, canOwn) => {
    const growth = position + length - stream.node.usedBytes;
    if (growth > 0) claim(growth);
    return orNoMemory(() => write(stream, buffer, offset, length, position, canOwn));
  };
  const resize = MEMFS.resizeFileStorage;
  /** @type {(node: any, size: number) => void} */
  MEMFS.resizeFileStorage = (node, size) => {
    if (size > node.usedBytes) claim(size - node.usedBytes);
    orNoMemory(() => resize(node, size));
  };
  return {
    setBase() {
      base = measure(FS.root);
      used = 0;
    },
    /** @param {number} bytes */
    setLimit(bytes) {
      limit = bytes;
    },
  };
}
