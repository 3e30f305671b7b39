// Files that go back with the answer.

/** @typedef {import("./realm.js").Host} Host */

// What a program leaves here is handed back with the answer.
const OUTPUT_DIRECTORY = "/home/pyodide/output";
const HOME = "/home/pyodide";
// The same for programs that were written for E2B.
const HOME_OF_OTHERS = "/home/user";

// Makes the directory for them. Returns the function that hands them back, and those for the working directory.
/** @param {any} FS @param {Host} host @param {(text: string) => void} say */
export function createOutputFiles(FS, host, say) {
  FS.mkdirTree(OUTPUT_DIRECTORY);
  FS.symlink(HOME, HOME_OF_OTHERS);

  // The files in a directory and below it with their names from there, in the order of each directory's.
  /** @type {(directory: string) => Generator<{ path: string; name: string }>} */
  function* filesIn(directory) {
    for (const { isDirectory, ...file } of entriesIn(directory)) if (!isDirectory) yield file;
  }

  // The same with the directories.
  /** @type {(directory: string, prefix?: string) => Generator<{ path: string; name: string; isDirectory: boolean }>} */
  function* entriesIn(directory, prefix = "") {
    const below = [];
    for (const name of FS.readdir(directory).sort()) {
      if (name === "." || name === "..") continue;
      const path = `${directory}/${name}`;
      try {
        if (FS.isDir(FS.lstat(path).mode)) below.push(name);
        else if (FS.isFile(FS.stat(path).mode)) {
          yield { path, name: prefix + name, isDirectory: false };
        }
      } catch {
        // A link to nothing.
      }
    }
    for (const name of below) {
      const path = `${directory}/${name}`;
      yield { path, name: prefix + name, isDirectory: true };
      yield* entriesIn(path, `${prefix}${name}/`);
    }
  }

  /** @type {(path: string, name: string) => void} */
  function handBack(path, name) {
    try {
      host.putFile(name, FS.readFile(path));
    } catch (/** @type {any} */ error) {
      say(`Output file not handed back: ${error?.message ?? error}\n`);
    }
  }

  // Hands back what the program left for it, and what its caller asked for, but no file as it came.
  /** @type {(patterns: string[], before: Map<string, Uint8Array>) => void} */
  function handBackFiles(patterns, before) {
    for (const { path, name } of filesIn(OUTPUT_DIRECTORY)) handBack(path, name);
    if (patterns.length === 0) return;
    const wanted = patterns.map(regExpOf);
    for (const { path, name } of filesIn(HOME)) {
      if (path.startsWith(`${OUTPUT_DIRECTORY}/`) || !wanted.some((one) => one.test(name)))
        continue;
      const came = before.get(name);
      if (came === undefined || !isEqual(came, FS.readFile(path))) handBack(path, name);
    }
  }

  // What is in the working directory, of what can be asked for by name.
  function listFiles() {
    const files = [];
    const directories = [];
    for (const { path, name, isDirectory } of entriesIn(HOME)) {
      if (isDirectory) directories.push({ name, size: null });
      else files.push({ name, size: FS.stat(path).size });
    }
    const more = Math.max(0, files.length - MOST_LISTED);
    const entries = [...files.slice(0, MOST_LISTED), ...directories.slice(0, MOST_LISTED)];
    return { entries, more };
  }

  /** @type {(name: string) => string | null} */
  function find(name) {
    const path = `${HOME}/${name}`;
    const found = FS.analyzePath(path);
    return found.exists && FS.isFile(FS.stat(path).mode) ? path : null;
  }

  // Whether there was such a file.
  /** @type {(name: string) => boolean} */
  function readFile(name) {
    const path = find(name);
    if (path !== null) host.putFile(name, FS.readFile(path));
    return path !== null;
  }

  /** @type {(name: string) => boolean} */
  function deleteFile(name) {
    const path = find(name);
    if (path !== null) FS.unlink(path);
    return path !== null;
  }

  // Whether the directory was made, with those above it.
  /** @type {(name: string) => boolean} */
  function makeDirectory(name) {
    const path = `${HOME}/${name}`;
    if (FS.analyzePath(path).exists) return false;
    try {
      FS.mkdirTree(path);
    } catch {
      return false;
    }
    return true;
  }

  return { deleteFile, handBackFiles, listFiles, makeDirectory, readFile };
}

// So many files are listed.
const MOST_LISTED = 1000;

// A pattern of file names: * and ? within a name, ** across directories, [abc].
/** @type {(pattern: string) => RegExp} */
function regExpOf(pattern) {
  const source = pattern.replace(/\*\*\/|\*\*|[*?]|\[!?[^\]/]+\]|[^]/gu, (piece) => {
    if (piece === "**/") return "(?:.*/)?";
    if (piece === "**") return ".*";
    if (piece === "*") return "[^/]*";
    if (piece === "?") return "[^/]";
    if (piece.length > 2 && piece[0] === "[") {
      const set = piece.slice(1, -1).replace(/[\\^[\]]/g, "\\$&");
      return set[0] === "!" ? `(?!/)[^${set.slice(1)}]` : `[${set}]`;
    }
    return piece.replace(/[\\^$.|+()[\]{}/-]/, "\\$&");
  });
  return new RegExp(`^${source}$`, "su");
}

/** @type {(one: Uint8Array, other: Uint8Array) => boolean} */
function isEqual(one, other) {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
