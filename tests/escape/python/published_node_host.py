# Looks for the Node host below Pyodide: its files mounted into the virtual file system, its environment, its
# processes.
# Known from: microsoft/thinkingbox-data, pull request 22 (files, execution, environment of the Node host).
# expect: success
import os
import subprocess
import pyodide_js
from pyodide.code import run_js

FS = pyodide_js.FS
for kind in ("NODEFS", "NODERAWFS", "WORKERFS", "PROXYFS", "IDBFS"):
    try:
        FS.mkdirTree(f"/host{kind}")
        FS.mount(getattr(FS.filesystems, kind), run_js("({root: '/'})"), f"/host{kind}")
        there = os.listdir(f"/host{kind}")
        print("ESCAPED:" if "etc" in there else "empty:", kind, there)
    except BaseException as error:
        print(kind, type(error).__name__, str(error)[:60])
for mount in (lambda: pyodide_js.mountNodeFS("/host", "/"), lambda: pyodide_js.mountNativeFS("/native", run_js("({})"))):
    try:
        mount()
        print("ESCAPED:", os.listdir("/host"))
    except BaseException as error:
        print(type(error).__name__, str(error)[:60])
for path in ("{{WITNESS}}", "/proc/self/environ", "/proc/{{SUPERVISOR_PID}}/environ", "/etc/passwd"):
    try:
        with open(path) as file:
            text = file.read()
        if "root:x:0" in text or "{{SECRET_VARIABLE}}" in text or path == "{{WITNESS}}":
            print("ESCAPED:", path, text[:60])
    except OSError as error:
        print(path, error.strerror)
if "{{SECRET_VARIABLE}}" in os.environ:
    print("ESCAPED: the host's environment")
for start in (lambda: subprocess.run(["id"]), lambda: os.system("id"), lambda: os.execv("/bin/sh", ["sh"]), lambda: os.fork()):
    try:
        if start() in (0, None):
            print("ESCAPED: a process was started")
    except BaseException as error:
        print(type(error).__name__, str(error)[:60])
