# Loops in JavaScript, where Pyodide's interrupt buffer is not looked at.
# Known from: Pyodide's documentation on interrupting execution.
# expect: timeout
# timeout: 400
from pyodide.code import run_js

run_js("for (;;) { try { for (;;); } catch {} }")
