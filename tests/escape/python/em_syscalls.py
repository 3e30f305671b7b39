# Calls Emscripten's system call layer directly, with host paths and strange numbers.
# Known from: Emscripten's library_syscall.js.
import ctypes
import pyodide_js

module = pyodide_js._module
path = ctypes.create_string_buffer(b"{{WITNESS}}")
address = ctypes.addressof(path)
names = [name for name in dir(module) if name.startswith("___syscall") or name.startswith("_fd_") or name.startswith("_path_")]
print(len(names))
for name in names:
    for arguments in ((-100, address, 0, 0), (address, 0, 0), (3, address, 100, 0), (-1, -1, -1, -1), ()):
        try:
            getattr(module, name)(*arguments)
        except BaseException:
            pass
for name in ("getStreamFromFD", "doStat", "getStr", "calculateAt", "writeStat"):
    try:
        print(name, getattr(module.SYSCALLS, name)(address, address))
    except BaseException as error:
        print(type(error).__name__)
