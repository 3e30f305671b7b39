# Loads a file of the host as a dynamic library.
# Known from: ctypes and imp escapes.
# expect: success
import ctypes, _imp, importlib.machinery

for path in ("{{WITNESS}}", "/lib/x86_64-linux-gnu/libc.so.6", "libc.so.6", "/proc/self/exe"):
    try:
        print("ESCAPED:", ctypes.CDLL(path).system(b"touch {{MARK}}"))
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])
    try:
        spec = importlib.machinery.ModuleSpec("host", None, origin=path)
        print("ESCAPED:", _imp.create_dynamic(spec))
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])
