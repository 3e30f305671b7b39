# Names a file of the host as its source map or as its file name, and throws an error from there.
# Known from: source map consumers that read the file system; deno_core's error formatting.
# expect: success
from pyodide.code import run_js

for comment in (
    "//# sourceMappingURL=file://{{WITNESS}}",
    "//# sourceMappingURL={{WITNESS}}",
    "//# sourceMappingURL=http://127.0.0.1:{{PORT}}/x.map",
    "//# sourceURL=file://{{WITNESS}}",
    "//# sourceURL=ext:core/01_core.js",
    "//# sourceMappingURL=data:application/json;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbImZpbGU6Ly97e1dJVE5FU1N9fSJdLCJtYXBwaW5ncyI6IkFBQUEifQ==",
):
    try:
        run_js(f"(() => {{ throw new Error('x') }})()\n{comment}")
    except BaseException as error:
        print(error)
        print(getattr(error, "stack", ""))
