# Has V8 join arrays nested a hundred thousand deep, for which it looks for cycles at each level.
# Known from: native code that looks at no signal, in time that grows with the square of its input.
# expect: timeout
# timeout: 1000
from pyodide.code import run_js

run_js("let a = []; for (let i = 0; i < 1e5; i++) a = [a]; String(a)")
print("it was quicker than that")
