# Mounts PROXYFS, WORKERFS and IDBFS with hostile options, and devices that call back.
# Known from: Emscripten's file system documentation.
import os
import pyodide_js
from pyodide.code import run_js

module = pyodide_js._module
filesystem = pyodide_js.FS


def attempt(what):
    try:
        print("did", what())
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])


options = {
    "PROXYFS": "({root: '/', fs: globalThis})",
    "IDBFS": "({})",
    "MEMFS": "({root: '/..'})",
    "WORKERFS": "({files: [{name: '{{WITNESS}}', size: 100, slice: () => '{{WITNESS}}'}], blobs: []})",
}
for name, value in options.items():
    directory = f"/mount-{name}"
    os.makedirs(directory, exist_ok=True)
    attempt(lambda: filesystem.mount(getattr(module, name), run_js(value), directory))
    attempt(lambda: os.listdir(directory))
    attempt(lambda: open(directory + "{{WITNESS}}").read())
attempt(lambda: filesystem.syncfs(True, lambda error: print("synced", error)))
attempt(lambda: filesystem.createDevice("/dev", "host", run_js("() => null"), run_js("() => 0")))
attempt(lambda: filesystem.mkdev("/dev/sda", 0o666, filesystem.makedev(8, 0)))
attempt(lambda: open("/dev/sda", "rb").read(16))
