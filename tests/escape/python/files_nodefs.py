# Mounts the host's directories with Emscripten's NODEFS, giving it the `fs` it lacks.
# Known from: Pyodide's documentation (mountNodeFS) and Emscripten's NODEFS.
# expect: success
import os
import js
import pyodide_js
from pyodide.code import run_js

module = pyodide_js._module
filesystem = pyodide_js.FS


def attempt(what):
    try:
        print("did", what())
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])


attempt(lambda: pyodide_js.mountNodeFS("/mnt1", "/"))
for name in ("process", "require", "fs", "NODEFS", "ENVIRONMENT_IS_NODE"):
    run_js(f"globalThis.{name} = globalThis.{name} ?? Object.assign(() => ({{}}), {{versions: {{node: '22'}}}})")
pyodide_js._api.runtimeEnv.IN_NODE = True
attempt(lambda: pyodide_js.mountNodeFS("/mnt2", "/"))
os.makedirs("/mnt3", exist_ok=True)
attempt(lambda: filesystem.mount(module.NODEFS, run_js("({root: '/'})"), "/mnt3"))
attempt(lambda: module.NODEFS.staticInit())
attempt(lambda: module.NODEFS.tryFSOperation(run_js("() => require('fs').readFileSync('{{WITNESS}}', 'utf8')")))
attempt(lambda: module.NODEFS.createNode(None, "/", 16895, 0))
for root in ("/mnt1", "/mnt2", "/mnt3"):
    attempt(lambda: open(root + "{{WITNESS}}").read())
    attempt(lambda: os.listdir(root))
