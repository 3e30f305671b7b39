# Imports a file of the host as a module, with every loader there is; a syntax error would show its text.
# Known from: CTF jails that leak files through import errors.
# expect: success
import importlib.machinery as machinery
import importlib.util
import os, runpy, sys, zipimport

path = "{{WITNESS}}"
for loader in (machinery.SourceFileLoader, machinery.SourcelessFileLoader, machinery.ExtensionFileLoader):
    try:
        spec = importlib.util.spec_from_file_location("host", path, loader=loader("host", path))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        print("got", vars(module))
    except BaseException as error:
        print(type(error).__name__, error)
for run in (runpy.run_path, zipimport.zipimporter, lambda p: exec(compile(open(p).read(), p, "exec"))):
    try:
        print("got", run(path))
    except BaseException as error:
        print(type(error).__name__, error)
sys.path.insert(0, os.path.dirname(path))
try:
    print("got", __import__(os.path.basename(path).split(".")[0]))
except BaseException as error:
    print(type(error).__name__, error)
