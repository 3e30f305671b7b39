# Leaves timers, finalizers, promises and tasks behind that would act after the end.
# Known from: callbacks that fire in the next request of a reused worker.
# expect: success
import asyncio
import js
from pyodide.code import run_js

run_js(r"""
globalThis.registry = new FinalizationRegistry(() => console.log("ESCAPED: a finalizer ran late"));
for (let i = 0; i < 1000; i++) registry.register({}, i);
setTimeout(() => console.log("ESCAPED: a timer fired late"), 300);
setInterval(() => console.log("ESCAPED: an interval fired late"), 250);
Promise.resolve().then(function again() { return new Promise((r) => setTimeout(r, 200)).then(again); });
""")


async def later():
    await asyncio.sleep(0.3)
    print("ESCAPED: a task ran late")


task = asyncio.ensure_future(later())
print("left them")
