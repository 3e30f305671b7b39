# Ends or aborts Emscripten's runtime under the interpreter's feet.
# Known from: Pyodide's fatal errors.
import pyodide_js

module, api = pyodide_js._module, pyodide_js._api
for end in (
    lambda: module.quit(0),
    lambda: module._exit(0),
    lambda: module.exitJS(0),
    lambda: api.fatal_error("x"),
    lambda: module._abort(),
    lambda: module.abort("x"),
    lambda: module._Py_Finalize(),
    lambda: module.callMain(),
    lambda: module._main(0, 0),
):
    try:
        end()
    except BaseException as error:
        print(type(error).__name__)
