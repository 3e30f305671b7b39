# Lets Emscripten fetch a file lazily or ahead: createLazyFile and createPreloadedFile with host addresses.
# Known from: Emscripten's FS documentation.
import pyodide_js

filesystem = pyodide_js.FS
for number, address in enumerate(("{{WITNESS}}", "file://{{WITNESS}}", "http://127.0.0.1:{{PORT}}/x")):
    for make in ("createPreloadedFile", "createLazyFile"):
        name = f"{make}{number}"
        try:
            getattr(filesystem, make)("/tmp", name, address, True, True)
            print(open("/tmp/" + name).read())
        except BaseException as error:
            print(type(error).__name__, str(error)[:80])
