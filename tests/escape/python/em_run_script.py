# Runs JavaScript through Emscripten's C functions, from ctypes and from the module's exports.
# Known from: emscripten_run_script and EM_ASM, which are `eval`.
import ctypes
import pyodide_js

module = pyodide_js._module
script = b"globalThis.ran = typeof Deno + typeof require + typeof process + typeof __bootstrap; throw 1"
libc = ctypes.CDLL(None)
buffer = ctypes.create_string_buffer(script)
address = ctypes.addressof(buffer)
for run in (
    lambda: libc.emscripten_run_script(script),
    lambda: libc.emscripten_run_script_int(script),
    lambda: libc.emscripten_run_script_string(script),
    lambda: module._emscripten_run_script(address),
    lambda: module._emscripten_run_script_int(address),
    lambda: module.ccall("emscripten_run_script", "null", __import__("js").Array.of("string"), __import__("js").Array.of("globalThis.ran2 = 1")),
    lambda: module.runEmAsmFunction(address, 0, 0),
    lambda: module._emscripten_asm_const_int(address, 0, 0),
):
    try:
        run()
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])
import js

ran = str(getattr(js, "ran", ""))
print(ran)
if "object" in ran or "function" in ran:
    print("ESCAPED: it found the host's objects")
