# Never gives the event loop its turn: microtasks that queue microtasks.
# Known from: starvation of promise-based watchdogs.
# expect: timeout
# timeout: 400
import js
from pyodide.code import run_js

run_js("(function again() { queueMicrotask(again); })()")
import asyncio

await asyncio.sleep(0.01)
while True:
    await asyncio.sleep(0)
