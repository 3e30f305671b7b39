# Loads modules of the host from JavaScript that Python evaluates, and asks the addresses that a cloud's
# machines answer at.
# Known from: langchain-sandbox and other services of Pyodide in Deno.
# expect: success
import asyncio
from pyodide.code import run_js
from pyodide.http import pyfetch

for module in (
    "node:fs",
    "node:child_process",
    "node:process",
    "npm:left-pad",
    "jsr:@std/fs",
    "ext:core/ops",
    "ext:core/mod.js",
    "file://{{WITNESS}}",
    "data:text/javascript,export default 1",
    "http://127.0.0.1:{{PORT}}/module.js",
):
    for script in (
        f"import({module!r}).then((module) => Object.keys(module).join())",
        f"new Function('return import({module!r})')().then((module) => Object.keys(module).join())",
    ):
        try:
            keys = await asyncio.wait_for(asyncio.ensure_future(run_js(script)), 1)
            print("ESCAPED:", module, keys)
        except BaseException as error:
            print(module, type(error).__name__, str(error)[:80])
for address in (
    "http://127.0.0.1:{{PORT}}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/",
    "http://localhost:8000/health",
):
    for ask in (pyfetch, run_js("(address) => fetch(address).then((answer) => answer.text())")):
        try:
            print("ESCAPED:", address, await asyncio.wait_for(asyncio.ensure_future(ask(address)), 1))
        except BaseException as error:
            print(address, type(error).__name__, str(error)[:60])
