# Switches Emscripten's socket layer to Node's and gives it a net module of its own.
# Known from: Pyodide's useNodeSockFS, Emscripten's SOCKFS over WebSocket.
# expect: success
import asyncio, socket
import pyodide_js
from pyodide.code import run_js

run_js("globalThis.WebSocket = class { constructor(...a) { globalThis.opened = a; } send() {} close() {} }")
module = pyodide_js._module
for what in (lambda: pyodide_js.useNodeSockFS(), lambda: pyodide_js._api.initializeNodeSockFS()):
    try:
        await asyncio.wait_for(asyncio.ensure_future(what()), 0.3)
        print("it says that it did")
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])
try:
    module.websocket = run_js("({url: 'ws://127.0.0.1:{{PORT}}/', subprotocol: 'binary'})")
    endpoint = socket.socket()
    endpoint.connect_ex(("127.0.0.1", {{PORT}}))
    endpoint.send(b"out")
except BaseException as error:
    print(type(error).__name__, str(error)[:80])
print(run_js("String(globalThis.opened)"))
