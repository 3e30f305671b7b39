// Boots Pyodide once per zygote and leaves behind the functions that run programs.

import createPyodideModule from "pyodide:///pyodide.asm.mjs";

const host = globalThis.__faas;
delete globalThis.__faas;
// From src/engine/python.rs: { lock, modules: { name: source }, wheels: [file name] }
const boot = globalThis.__faasBoot;
delete globalThis.__faasBoot;

// pyodide.mjs looks for these two while it is evaluated, Emscripten for `readbuffer` while it starts.
globalThis.read = host.readText;
globalThis.readbuffer = host.readFile;
globalThis.load = () => {
  throw new Error("load is not available");
};
const { loadPyodide, version } = await import("pyodide:///pyodide.mjs");

const stages = {};
let last = host.now();
function stage(name) {
  const time = host.now();
  stages[name] = time - last;
  last = time;
}

const pyodide = await loadPyodide({
  indexURL: "/pyodide/",
  lockFileContents: boot.lock,
  packageBaseUrl: "/pyodide/",
  env: {
    HOME: "/home/pyodide",
    LANG: "en_US.UTF-8",
    MPLBACKEND: "agg",
    PYTHONSAFEPATH: "1",
    TZ: "UTC",
  },
  createPyodideModule(settings) {
    // Makes Emscripten take `crypto.getRandomValues` for entropy instead of shelling out with
    // `os.system`; it looks only during this synchronous part of its start.
    globalThis.window = {};
    try {
      return createPyodideModule(settings);
    } finally {
      delete globalThis.window;
    }
  },
});
stage("pyodide");

delete globalThis.read;
delete globalThis.readbuffer;
delete globalThis.load;

const output = (descriptor) => ({
  write(bytes) {
    host.write(descriptor, bytes);
    return bytes.length;
  },
});
pyodide.setStdin({ stdin: () => null });
pyodide.setStdout(output(1));
pyodide.setStderr(output(2));
pyodide.setInterruptBuffer(host.interruptBuffer());
pyodide.registerJsModule("_faas_host", {
  acknowledge_stop: host.acknowledgeStop,
  finish: host.finish,
  package: host.package,
  put_file: host.putFile,
  pump: host.pump,
  sleep: host.sleep,
  stop_requested: host.stopRequested,
  wait: host.wait,
});

// Pure Python wheels that every program finds installed: they are imported out of the archive.
for (const wheel of boot.wheels) {
  const path = `/lib/wheels/${wheel}`;
  pyodide.FS.mkdirTree("/lib/wheels");
  pyodide.FS.writeFile(path, host.readFile(wheel));
  pyodide.pyimport("sys").path.append(path);
}

// Files of the distribution, whose package loader knows names and would read them from a disk, and
// would tell the program's output what it does.
const { packageManager } = pyodide._api;
packageManager.logStdout = () => {};
packageManager.downloadPackage = async ({ normalizedName, name }) => {
  const entry = pyodide._api.lockfile_packages[normalizedName];
  if (!entry) throw new Error(`the sandbox has no network; ask for ${name} by its name`);
  return host.package("distribution", entry.file_name, "");
};

const loadModule = pyodide.runPython(
  `
def load(name, source):
    import sys, types
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, "<sandbox>", "exec", dont_inherit=True), module.__dict__)
load`,
  { globals: pyodide.toPy({}) },
);
for (const [name, source] of Object.entries(boot.modules)) loadModule(name, source);
const runner = pyodide.pyimport("_faas_runner");
const { run, reseed, install } = runner;
const pythonVersion = runner.PYTHON_VERSION;
stage("runner");

// Puts a file that came with the program into its working directory.
function placeFile(name, contents) {
  const path = `${pyodide.FS.cwd()}/${name}`;
  pyodide.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
  pyodide.FS.writeFile(path, contents);
}

// The program ended the interpreter itself: with os._exit, or by breaking it.
function endOfInterpreter(error) {
  if (typeof error?.status === "number") {
    host.finish(error.status, null, false);
    return;
  }
  const text = new TextEncoder().encode(`The Python interpreter broke: ${error}\n`);
  host.write(2, text);
  host.finish(134, null, false);
}

globalThis.__faasEngine = {
  stages,
  version: `${version} ${pythonVersion}`,
  run(code, input, scratch, autoInstall) {
    try {
      for (const { name, contents } of host.inputFiles()) placeFile(name, contents);
      run(code, input, scratch, autoInstall);
    } catch (error) {
      endOfInterpreter(error);
    }
  },
  reseed() {
    host.reseed();
    reseed();
  },
  // Returns what went wrong, or undefined.
  install(packages) {
    return install(packages.split("\n"));
  },
};
