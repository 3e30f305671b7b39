# Leaves itself behind everywhere where the next execution might load it.
# Known from: persistence in reused workers: sitecustomize, .pth files, patched modules.
# expect: success
import builtins, importlib, os, site, sys, zipfile

code = "print('ESCAPED: I am still here')"
for directory in [*sys.path, "/", "/tmp", "/home/pyodide", "/lib/python3.14/site-packages", os.getcwd()]:
    for name in ("sitecustomize.py", "usercustomize.py", "json.py", "_faas_runner.py", "x.pth"):
        try:
            os.makedirs(directory, exist_ok=True)
            with open(os.path.join(directory, name), "w") as file:
                file.write(code if name != "x.pth" else f"import os; {code}")
        except OSError:
            pass
try:
    with zipfile.ZipFile("/lib/python314.zip", "a") as archive:
        archive.writestr("sitecustomize.py", code)
except BaseException as error:
    print(type(error).__name__)
builtins.print = lambda *a, _print=print, **k: _print("ESCAPED: patched", *a, **k)
sys.meta_path.insert(0, type("Finder", (), {"find_spec": staticmethod(lambda *a: None)}))
sys.modules["probe"] = sys
os.environ["PYTHONSTARTUP"] = "/tmp/sitecustomize.py"
importlib.invalidate_caches()
