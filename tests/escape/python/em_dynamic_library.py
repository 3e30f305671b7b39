# Loads a WebAssembly library of its own that imports the host-side functions of Emscripten.
# Known from: Emscripten's dynamic linking; Pyodide's loadDynlib.
import pyodide_js
from pyodide.code import run_js

module = pyodide_js._module
# (module (import "env" "emscripten_run_script" (func (param i32))) (import "env" "memory" (memory 0)))
library = bytes([0, 97, 115, 109, 1, 0, 0, 0, 0, 15, 8, 100, 121, 108, 105, 110, 107, 46, 48, 1, 4, 0, 0, 0, 0])
library += bytes([1, 5, 1, 96, 1, 127, 0])
env, name = b"env", b"emscripten_run_script"
imports = bytes([1, len(env)]) + env + bytes([len(name)]) + name + bytes([0, 0])
library += bytes([2, len(imports)]) + imports
open("/tmp/host.so", "wb").write(library)
import ctypes

for load in (
    lambda: ctypes.CDLL("/tmp/host.so"),
    lambda: module.loadWebAssemblyModule(run_js("(b) => new Uint8Array(b)")(list(library)), run_js("({loadAsync: false})")),
    lambda: pyodide_js._api.loadDynlib("/tmp/host.so", True),
    lambda: module.loadDynamicLibrary("{{WITNESS}}", run_js("({loadAsync: false, global: true})")),
    lambda: module.loadDynamicLibrary("http://127.0.0.1:{{PORT}}/x.so", run_js("({loadAsync: false})")),
):
    try:
        print("did", load())
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])
