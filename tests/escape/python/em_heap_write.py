# Overwrites WebAssembly's memory, interpreter state and all, and goes on as long as it can.
# Known from: heap corruption; ctypes.memset on anything.
# timeout: 3000
import ctypes
import pyodide_js

heap = pyodide_js._module.HEAPU8
for start in range(1 << 20, heap.length - 65536, 1 << 19):
    try:
        heap.fill(0xCC, start, start + 4096)
    except BaseException:
        pass
print("still here")
ctypes.memset(0, 0x41, 1 << 22)
