# Takes Python's modules for JavaScript as the way into the parent: its permissions, its cache of modules on
# the disk, and what it keeps from one run to the next.
# Known from: mcp-run-python (its issue 39, and pydantic-ai's 2332).
# expect: success
import js
import pyodide_js
from pyodide.code import run_js

for script in (
    "Deno.permissions.querySync({name: 'read'}).state",
    "Deno.readTextFileSync('{{WITNESS}}')",
    "Deno.writeTextFileSync('{{MARK}}', 'x')",
    "Deno.writeTextFileSync('node_modules/pyodide/pyodide.mjs', 'x')",
    "Deno.env.toObject()",
    "Deno.core.ops",
    "Deno[Deno.internal]",
    "globalThis[Symbol.for('Deno.internal')].core",
):
    try:
        print("ESCAPED:", script, run_js(script))
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])
# What would meet the next program, if a parent lived on.
run_js("Object.prototype.left_behind = 'by another'; globalThis.left_behind = 'by another'")
pyodide_js.runPython = pyodide_js.runPythonAsync = run_js("() => 'taken over'")
pyodide_js._api.config.env = run_js("({HOME: 'taken over'})")
with open("/lib/python3.14/site-packages/json.py", "w") as file:
    file.write("raise SystemExit('taken over')")
print("left")
