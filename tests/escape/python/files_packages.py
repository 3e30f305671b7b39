# Asks the supervisor, through the package channel, for files that are not packages.
# Known from: dependency confusion and path traversal in package mirrors (CVE-2024-35195's family).
# expect: success
import _faas_host

names = [
    "{{WITNESS}}", "../../../../../..{{WITNESS}}", "..%2f..%2f..{{WITNESS}}", "file://{{WITNESS}}",
    "http://127.0.0.1:{{PORT}}/x.whl", "//127.0.0.1:{{PORT}}/x.whl", "x@127.0.0.1:{{PORT}}", "a" * 100_000,
    "\0", "", ".", "..", "pyodide.asm.wasm/../../../..{{WITNESS}}", "CON", "\ud800",
]
ask = getattr(_faas_host, "package", None)
for kind in ("project", "file", "distribution", "url", "../file", "", "\0"):
    for name in names:
        for other in names[:4] + [""]:
            try:
                answer = ask(kind, name, other)
                print("got", kind, name[:40], bytes(answer.to_bytes())[:200])
            except BaseException as error:
                pass
for arguments in ((), (1, 2, 3), (None, None, None), ([], {}, ())):
    try:
        ask(*arguments)
    except BaseException as error:
        print(type(error).__name__)
