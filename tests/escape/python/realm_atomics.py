# Replaces the function that takes signals for Python, so that a stop is never seen, and spins.
# Known from: Pyodide's check for signals.
# expect: timeout
# timeout: 400
import js
from pyodide.code import run_js

run_js("Atomics.exchange = () => 0")
run_js("Object.defineProperty(globalThis, 'Atomics', { value: undefined })")
try:
    print(js.Atomics)
except AttributeError as error:
    print(error)
while True:
    pass
