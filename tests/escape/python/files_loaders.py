# Asks Pyodide's own loaders for files of the host: loadBinaryFile, asyncLoad, read, readbuffer, load.
# Known from: Pyodide's "shell" environment, which reads files with `readbuffer`.
# expect: success
import asyncio
import js
import pyodide_js

api, module = pyodide_js._api, pyodide_js._module


async def attempt(name, what):
    try:
        value = what()
        if hasattr(value, "__await__"):
            value = await asyncio.wait_for(asyncio.ensure_future(value), 0.2)
        print("got", name, value, getattr(value, "to_py", lambda: "")())
    except BaseException as error:
        print(name, type(error).__name__, str(error)[:100])


for path in ("{{WITNESS}}", "file://{{WITNESS}}", "/pyodide/../../..{{WITNESS}}"):
    await attempt("loadBinaryFile", lambda: api.loadBinaryFile(path))
    await attempt("asyncLoad", lambda: module.asyncLoad(path))
    await attempt("loadDynlib", lambda: api.loadDynlib(path, True))
    await attempt("forceLoad", lambda: module.FS_forceLoadFile({"url": path}))
    for name in ("read", "readbuffer", "load", "readline", "print", "os", "fetch", "importScripts"):
        if hasattr(js, name):
            print("ESCAPED: the realm has", name)
            await attempt(name, lambda: getattr(js, name)(path))
