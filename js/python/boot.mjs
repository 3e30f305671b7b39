// Boots Pyodide once per zygote and leaves behind the functions that run programs.

import { createOutputFiles } from "boot:///output_files.mjs";
import { limitStorage } from "boot:///storage.mjs";
import { serveDistribution } from "boot:///wheels.mjs";
import createPyodideModule from "pyodide:///pyodide.asm.mjs";

const host = /** @type {import("./realm.js").Host} */ (globalThis.__faas);
delete globalThis.__faas;
const boot = /** @type {Boot} */ (globalThis.__faasBoot);
delete globalThis.__faasBoot;

// pyodide.mjs looks for these two while it is evaluated, Emscripten for `readbuffer` while it starts.
globalThis.read = host.readText;
globalThis.readbuffer = host.readFile;
globalThis.load = () => {
  throw new Error("load is not available");
};
const { loadPyodide, version } = await import("pyodide:///pyodide.mjs");

/** @type {Record<string, number>} */
const stages = {};
let last = host.now();
/** @type {(name: string) => void} */
function stage(name) {
  const time = host.now();
  stages[name] = time - last;
  last = time;
}

// The signal that waits for CPython, if any; a handler of this thread's signals writes it.
const signals = host.interruptBuffer();
// Programs may change Atomics.
const { exchange } = Atomics;
const SIGNALS_HELPER = "_Py_CheckEmscriptenSignals_Helper";

/**
 * Has CPython take a signal and clear it in one step. Pyodide's own function (pyodide.asm.mjs) reads it, then
 * clears it, and what came between is lost: a time limit or an alarm.
 * @param {Record<string, unknown>} environment
 */
function takeSignalsAtOnce(environment) {
  if (!(SIGNALS_HELPER in environment)) throw new Error(`Pyodide has no ${SIGNALS_HELPER}`);
  environment[SIGNALS_HELPER] = () => exchange(signals, 0, 0);
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
  /** @param {{ instantiateWasm: (imports: { env: Record<string, unknown> }, receive: unknown) => unknown }} settings */
  createPyodideModule(settings) {
    // Makes Emscripten take `crypto.getRandomValues` for entropy instead of shelling out with
    // `os.system`; it looks only during this synchronous part of its start.
    globalThis.window = {};
    const instantiate = settings.instantiateWasm;
    settings.instantiateWasm = (imports, receive) => {
      takeSignalsAtOnce(imports.env);
      return instantiate(imports, receive);
    };
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

// What Python's dump of its stack is gathered in when the interpreter breaks: it is written to stdout.
/** @type {string | null} */
let dump = null;
// Pyodide takes its parts away when it gives up.
const { FS } = pyodide;
const output = (/** @type {number} */ descriptor) => ({
  /** @param {Uint8Array} bytes */
  write(bytes) {
    if (dump === null) host.write(descriptor, bytes);
    else dump += new TextDecoder().decode(bytes);
    return bytes.length;
  },
});
const noInput = new Uint8Array();
// What the program has not read yet of its standard input.
/** @type {Uint8Array} */
let stdin = noInput;
pyodide.setStdin({
  /** @param {Uint8Array} buffer */
  read(buffer) {
    const piece = stdin.subarray(0, buffer.length);
    buffer.set(piece);
    stdin = stdin.subarray(piece.length);
    return piece.length;
  },
});
pyodide.setStdout(output(1));
pyodide.setStderr(output(2));
// Has CPython look for signals at all. Programs can reach this buffer, and not `signals`.
pyodide.setInterruptBuffer(new Uint8Array(1));
pyodide.registerJsModule("_faas_host", {
  acknowledge_stop: host.acknowledgeStop,
  await_tools: host.awaitTools,
  call_tool: host.callTool,
  clear_timers: host.clearTimers,
  compiled: host.compiled,
  cpu_time: host.cpuTime,
  end_interruptible: host.endInterruptible,
  /** @type {typeof host.finish} */
  finish(exitCode, returnValue, limit) {
    isFinished = true;
    host.finish(exitCode, returnValue, limit);
  },
  has_open_files: () => FS.streams.some(isFile),
  imports: host.imports,
  in_wheelhouse: host.inWheelhouse,
  package: host.package,
  pbkdf2: host.pbkdf2,
  provider: host.provider,
  pump: host.pump,
  put_file: host.putFile,
  represent: host.represent,
  represent_bytes: host.representBytes,
  scrypt: host.scrypt,
  set_alarm: host.setAlarm,
  show: host.show,
  sleep: host.sleep,
  stay: host.stay,
  stop_requested: host.stopRequested,
  take_failures: serveDistribution(pyodide, host),
  take_alarm: host.takeAlarm,
  take_interrupt: host.takeInterrupt,
  wait: host.wait,
});

// Pure Python wheels that every program finds installed: they are imported out of the archive.
for (const wheel of boot.wheels) {
  const path = `/lib/wheels/${wheel}`;
  FS.mkdirTree("/lib/wheels");
  FS.writeFile(path, host.readFile(wheel));
  pyodide.pyimport("sys").path.append(path);
}

// Where matplotlib looks for fonts (_faas_hooks).
for (const font of boot.fonts) {
  FS.mkdirTree("/usr/share/fonts");
  FS.writeFile(`/usr/share/fonts/${font}`, host.readFile(`fonts/${font}`));
}

// A name with which the warnings module skips their frames, as it does those of the import system
// (CPython's Lib/_py_warnings.py, _is_internal_frame).
const OWN_FILE_NAME = "<frozen importlib._bootstrap_sandbox>";
const loadModule = pyodide.runPython(
  `
def load(name, source):
    import sys, types
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, "${OWN_FILE_NAME}", "exec", dont_inherit=True), module.__dict__)
load`,
  { globals: pyodide.toPy({}) },
);
for (const [name, source] of Object.entries(boot.modules)) loadModule(name, source);
const runner = pyodide.pyimport("_faas_runner");
const { run, install, rewind } = runner;
const { rest } = pyodide.pyimport("_faas_ending");
const { warm_packages: warm } = pyodide.pyimport("_faas_packages");
const { make_way: makeWay, refresh } = pyodide.pyimport("_faas_fresh");
const reportStop = pyodide.pyimport("_faas_report").report_stop;
const { settle, settle_early: settleEarly } = pyodide.pyimport("_faas_settle");
const check = pyodide.pyimport("_faas_check").check;
const { assist } = pyodide.pyimport("_faas_assist");
const { variables } = pyodide.pyimport("_faas_variables");
const { deleteFile, handBackFiles, listFiles, makeDirectory, readFile } = createOutputFiles(
  FS,
  host,
  say,
);
const storage = limitStorage(FS);
storage.setBase();
const pythonVersion = runner.PYTHON_VERSION;
stage("runner");

// Puts a file that came with the program into its working directory.
/** @type {(name: string, contents: Uint8Array) => void} */
function placeFile(name, contents) {
  const path = `${FS.cwd()}/${name}`;
  FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
  FS.writeFile(path, contents);
}

// Marks the objects in a Python list, given by its address, as immortal: Python neither counts their
// references, which would write to them, nor frees them. CPython 3.14's layout on 32 bits:
// Include/object.h, Include/refcount.h (_Py_IMMORTAL_INITIAL_REFCNT), Include/cpython/listobject.h.
/** @type {(list: number) => void} */
function makeImmortal(list) {
  const MINIMUM = 1 << 30;
  const INITIAL = 5 << 28;
  const memory = pyodide._module.HEAP32;
  const size = memory[(list >> 2) + 2];
  const items = memory[(list >> 2) + 3] >>> 2;
  for (let item = items; item < items + size; item++) {
    const object = memory[item] >>> 2;
    if (memory[object] < MINIMUM) memory[object] = INITIAL;
  }
}

// Whether an open stream of Emscripten's is not one of the three standard ones.
/** @type {(stream: { fd: number } | null | undefined) => boolean} */
function isFile(stream) {
  return stream != null && stream.fd > 2;
}

/** @type {(text: string) => void} */
function say(text) {
  host.write(2, new TextEncoder().encode(text));
}

// What a change that was made returns (crates/faas-protocol/src/tending.rs).
const DONE = "done";

// Set when the program has reported how it ended: what follows frees its objects.
let isFinished = false;

// The interpreter is about to give up. Pyodide would print that, with Python's stack on stdout.
const giveUp = pyodide._api.fatal_error;
/** @type {(error: any) => void} */
pyodide._api.fatal_error = (error) => {
  const realm = /** @type {any} */ (globalThis);
  const { console } = realm;
  realm.console = { ...console, error() {} };
  dump = "";
  try {
    giveUp(error);
  } finally {
    realm.console = console;
    stack = dump;
    dump = null;
  }
};
let stack = "";
// How many programs this line of processes has run, with the one that runs.
let programs = 1;
// The end of the program's file name in tracebacks.
let programFile = "<code>";

// A traceback of Python's dump of its stack, which begins with the innermost frame.
/** @type {(code: string) => string} */
function tracebackOf(code) {
  const lines = code.split(/\r\n|\r|\n/);
  const frames = [];
  for (const [, file, line, name] of stack.matchAll(/^ {2}File "(.*)", line (\d+) in (.*)$/gm)) {
    if (file.startsWith("<frozen ") || file.startsWith("/lib/python")) continue;
    const text = file.endsWith(programFile) ? (lines[Number(line) - 1] ?? "").trim() : "";
    frames.unshift(`  File "${file}", line ${line}, in ${name}\n${text && `    ${text}\n`}`);
  }
  return frames.length > 0 ? `Traceback (most recent call last):\n${frames.join("")}` : "";
}

// The program ended the interpreter itself: with os._exit, or by breaking it.
/** @type {(error: any, code: string) => void} */
function endOfInterpreter(error, code) {
  if (typeof error?.status === "number") {
    host.finish(error.status, null, null);
    return;
  }
  if (error?.type === "KeyboardInterrupt") {
    // A stop that came when the program was over but not yet reported.
    host.acknowledgeStop();
    reportStop();
    host.finish(1, null, null);
    return;
  }
  // Freeing the program's objects broke it, which CPython survives.
  if (isFinished) return;
  const isTooDeep = String(error).includes("Maximum call stack size exceeded");
  const reason = isTooDeep
    ? "RecursionError: calls or objects are nested deeper than the interpreter can follow"
    : `SystemError: the interpreter failed: ${error?.message ?? error}`;
  say(`${tracebackOf(code)}${reason}\n`);
  host.finish(134, null, null);
}

// What the last program was given and is asked for.
/** @type {{ text: string | null; collect: string[]; before: Map<string, Uint8Array> }} */
let given = { text: null, collect: [], before: new Map() };

// Runs the last program once more, with another input.
/** @type {(code: string, input: string | undefined) => void} */
function runAgain(code, input) {
  isFinished = false;
  try {
    if (given.text !== null) {
      stdin = new TextEncoder().encode(given.text);
      rewind();
    }
    run(code, input, false, false, true, programs, undefined, true);
  } catch (error) {
    endOfInterpreter(error, code);
  }
  handBackFiles(given.collect, given.before);
}

globalThis.__faasEngine = {
  stages,
  version,
  pythonVersion,
  /**
   * @param {string} code
   * @param {string | undefined} input
   * @param {boolean} scratch
   * @param {boolean} autoInstall
   * @param {number} storageBytes
   * @param {boolean} keep
   * @param {boolean} goesOn
   * @param {boolean} again
   * @param {number | undefined} cell
   */
  run(code, input, scratch, autoInstall, storageBytes, keep, goesOn, again, cell) {
    if (again) {
      runAgain(code, input);
      return;
    }
    storage.setLimit(storageBytes);
    isFinished = false;
    const invoked = host.invocation();
    const {
      stdin: text,
      arguments: words,
      entryPoint,
      collect,
      environment,
      tools,
      showsErrors,
    } = invoked;
    const before = new Map();
    try {
      const files = host.inputFiles();
      for (const { name, contents } of files) {
        placeFile(name, contents);
        if (collect.length > 0) before.set(name, contents);
      }
      if (files.length > 0) makeWay(files.map(({ name }) => name).join("\n"));
      if (goesOn) programs += 1;
      stdin = text === null ? noInput : new TextEncoder().encode(text);
      // The same names as in runner.py, invoke.
      programFile = programs > 1 ? `<code ${programs}>` : "<code>";
      // Pyodide makes None of undefined only.
      let invocation;
      const isCell = cell !== undefined;
      const isBare = text === null && entryPoint === null && words.length === 0;
      if (isCell || !isBare || environment.length > 0 || tools !== null || showsErrors) {
        if (isCell) programFile = `<cell ${cell}>`;
        if (entryPoint !== null) programFile = `/${entryPoint}`;
        invocation = JSON.stringify({
          has_stdin: text !== null,
          entry_point: entryPoint,
          arguments: words,
          cell,
          environment,
          tools: tools ?? undefined,
          shows_errors: showsErrors,
        });
      }
      run(code, input, scratch, autoInstall, keep, programs, invocation);
    } catch (error) {
      endOfInterpreter(error, code);
    }
    handBackFiles(collect, before);
    given = { text, collect, before };
  },
  reseed() {
    host.reseed();
    refresh();
  },
  rest,
  memory: () => pyodide._module.HEAPU8.buffer,
  settle() {
    settle(makeImmortal);
  },
  /**
   * @param {string} packages one a line
   * @param {number} storageBytes
   */
  install(packages, storageBytes) {
    storage.setLimit(storageBytes);
    install(packages.split("\n"));
    settleEarly();
    storage.setBase();
  },
  // Whether there is more to do.
  warmPackages() {
    const more = warm();
    if (!more) storage.setBase();
    return more;
  },
  check,
  // Looks at, or changes, what programs left. Returns JSON, that it was done, or nothing.
  /** @type {(what: string, file: string, storageBytes: number) => string | undefined} */
  tend(what, file, storageBytes) {
    storage.setLimit(storageBytes);
    switch (what) {
      case "variables":
        return variables();
      case "list":
        return JSON.stringify(listFiles());
      case "read":
        return readFile(file) ? DONE : undefined;
      case "delete":
        return deleteFile(file) ? DONE : undefined;
      case "make":
        return makeDirectory(file) ? DONE : undefined;
      case "complete":
      case "inspect":
      case "is_complete":
        return assist(what, file);
      default: {
        const files = host.inputFiles();
        for (const { name, contents } of files) placeFile(name, contents);
        makeWay(files.map(({ name }) => name).join("\n"));
        return DONE;
      }
    }
  },
  // Called after V8 stopped the program in the middle of something that looks at no signal.
  reportStop() {
    try {
      reportStop();
    } catch {
      // The interpreter was in no state to say anything.
    }
  },
};
