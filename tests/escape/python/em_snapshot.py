# Takes and restores memory snapshots, and saves Pyodide's state for the next program.
# Known from: Pyodide's makeMemorySnapshot; Cloudflare's snapshot-based Python workers.
import pyodide_js

for what in ("makeMemorySnapshot",):
    try:
        snapshot = getattr(pyodide_js, what)()
        data = snapshot.to_bytes()
        print(len(data), (b"faas-" + b"secret-") in data)
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])
for what in ("makeSnapshot", "saveState", "restoreState", "restoreSnapshot", "serializeHiwireState", "finalizeBootstrap"):
    try:
        print(what, getattr(pyodide_js._api, what)())
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])
