# Makes other realms, contexts and threads, which might come with the host's objects.
# Known from: iframes, vm.createContext, ShadowRealm, Worker.
# expect: success
from pyodide.code import run_js

for source in (
    "new ShadowRealm().evaluate('typeof Deno')",
    "new ShadowRealm().importValue('{{WITNESS}}', 'x')",
    "new Worker('data:text/javascript,1')",
    "new SharedWorker('x')",
    "document.createElement('iframe').contentWindow",
    "require('vm').runInNewContext('this')",
    "structuredClone(globalThis)",
    "new MessageChannel().port1.postMessage(globalThis)",
    "Deno.core.createContext()",
    "new Compartment().evaluate('1')",
    "async_hooks.executionAsyncId()",
):
    try:
        print("ESCAPED:", source, run_js(source))
    except BaseException as error:
        print(type(error).__name__, str(error)[:60])
