// Where Pyodide's package loader has its files from: the supervisor, and what was unpacked ahead.

/** @typedef {import("./realm.js").Host} Host */

// Has the loader ask the supervisor. Returns a function that takes why files could not be had, one a line.
/** @type {(pyodide: any, host: Host) => () => string} */
export function serveDistribution(pyodide, host) {
  const { FS } = pyodide;
  // Files of the distribution, and whether they are wheels that were unpacked ahead (unpack.py).
  /** @type {WeakMap<Uint8Array, boolean>} */
  const wheels = new WeakMap();
  const loader = pyodide._api.package_loader;
  const unpack = loader.unpack_buffer;
  pyodide._api.package_loader = new Proxy(loader, {
    get: (target, name) => (name === "unpack_buffer" ? { callKwargs: unpackWheel } : target[name]),
  });

  // Files of the distribution, whose package loader knows names and would read them from a disk, and
  // would tell the program's output what it does.
  const { packageManager } = pyodide._api;
  packageManager.logStdout = () => {};
  // Why files could not be had since this was asked last: the loader goes on without them and says nothing.
  /** @type {string[]} */
  const failures = [];
  /** @type {(wanted: { normalizedName: string; name: string }) => Promise<Uint8Array>} */
  packageManager.downloadPackage = async ({ normalizedName, name }) => {
    const entry = pyodide._api.lockfile_packages[normalizedName];
    if (!entry) throw new Error(`the sandbox has no network; ask for ${name} by its name`);
    try {
      const ready = host.unpacked(true, entry.file_name);
      const contents = ready.length > 0 ? ready : host.package("distribution", entry.file_name, "");
      wheels.set(contents, ready.length > 0);
      return contents;
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
      throw error;
    }
  };

  // Pyodide's own way to unpack an archive, but for wheels that were unpacked ahead.
  /** @type {(wanted: any) => any} */
  function unpackWheel(wanted) {
    const {
      buffer,
      filename,
      extract_dir: directory,
      metadata,
      calculate_dynlibs: isInstalled,
    } = wanted;
    let isReady = wheels.get(buffer);
    let contents = buffer;
    if (isReady === undefined && isInstalled && filename.endsWith(".whl")) {
      contents = host.unpacked(false, filename);
      isReady = contents.length > 0;
    }
    return isReady ? placeFiles(contents, directory, metadata) : unpack.callKwargs(wanted);
  }

  // Puts the files of a wheel where they belong; returns the paths of its native modules.
  /** @type {(contents: Uint8Array, directory: string, metadata: any) => string[]} */
  function placeFiles(contents, directory, metadata) {
    const view = new DataView(contents.buffer, contents.byteOffset, contents.byteLength);
    const end = contents.length - 4;
    const list = contents.subarray(end - view.getUint32(end, true), end);
    const { files, info, libraries } = JSON.parse(new TextDecoder().decode(list));
    const made = new Set();
    let offset = 0;
    /** @type {(name: string, contents: Uint8Array | string) => void} */
    const place = (name, contents) => {
      const path = name.startsWith("/") ? name : `${directory}/${name}`;
      const parent = path.slice(0, path.lastIndexOf("/"));
      if (!made.has(parent)) FS.mkdirTree(parent);
      made.add(parent);
      // The file system keeps the very bytes, instead of copying them.
      FS.writeFile(path, contents, { canOwn: true });
    };
    for (const [name, size] of files) {
      place(name, contents.subarray(offset, offset + size));
      offset += size;
    }
    // A dictionary of micropip's, or a map of the package loader's.
    const entries = metadata.toJs ? metadata.toJs({ dict_converter: Array.from }) : metadata;
    for (const [key, value] of entries) place(`${info}/${key}`, value);
    return libraries.map((/** @type {string} */ name) => `${directory}/${name}`);
  }

  return () => [...new Set(failures.splice(0))].join("\n");
}
