// Boots Pyodide once per zygote and leaves behind the functions that run programs.

import createPyodideModule from "pyodide:///pyodide.asm.mjs";

const host = globalThis.__faas;
delete globalThis.__faas;

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
  lockFileContents: host.readText("/pyodide/pyodide-lock.json"),
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
  pump: host.pump,
  sleep: host.sleep,
  stop_requested: host.stopRequested,
  wait: host.wait,
});

function load(source) {
  const globals = pyodide.toPy({ __name__: "_faas_runner" });
  pyodide.runPython(source, { globals, filename: "<sandbox>" });
  return globals;
}
load(globalThis.__faasSources.loop);
const runner = load(globalThis.__faasSources.runner);
delete globalThis.__faasSources;
const run = runner.get("run");
const reseed = runner.get("reseed");
const pythonVersion = runner.get("PYTHON_VERSION");
stage("runner");

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
  run(code, input, scratch) {
    try {
      run(code, input, scratch);
    } catch (error) {
      endOfInterpreter(error);
    }
  },
  reseed() {
    host.reseed();
    reseed();
  },
};
