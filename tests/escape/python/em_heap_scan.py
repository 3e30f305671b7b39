# Searches all of WebAssembly's memory for a secret of an earlier execution.
# Known from: Heartbleed; reused workers that keep the last request in memory.
# expect: success
import js
import pyodide_js

heap = pyodide_js._module.HEAPU8.slice().to_bytes()
needle = b"faas-" + b"secret-"
at, found = heap.find(needle), 0
while at >= 0 and found < 50:
    print(heap[at : at + 80])
    found += 1
    at = heap.find(needle, at + 1)
print(len(heap), found)
