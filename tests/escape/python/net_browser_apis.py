# Uses what a browser or Deno would give JavaScript: fetch, XMLHttpRequest, WebSocket, beacons, workers.
# Known from: Pyodide's pyfetch and `js` module.
# expect: success
import asyncio
import js
import pyodide.http
from pyodide.code import run_js

for source in (
    "fetch('http://127.0.0.1:{{PORT}}/')",
    "new XMLHttpRequest().open('GET', 'http://127.0.0.1:{{PORT}}/')",
    "new WebSocket('ws://127.0.0.1:{{PORT}}/')",
    "new EventSource('http://127.0.0.1:{{PORT}}/')",
    "navigator.sendBeacon('http://127.0.0.1:{{PORT}}/', 'out')",
    "new Worker('http://127.0.0.1:{{PORT}}/x.js')",
    "importScripts('http://127.0.0.1:{{PORT}}/x.js')",
    "new WebTransport('https://127.0.0.1:{{PORT}}/')",
    "new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:{{PORT}}'}]})",
    "new BroadcastChannel('x').postMessage('out')",
    "new Image().src = 'http://127.0.0.1:{{PORT}}/'",
    "Deno.connect({port: {{PORT}}})",
    "require('net').connect({{PORT}})",
    "process.binding('tcp_wrap')",
    "WebAssembly.compileStreaming(fetch('http://127.0.0.1:{{PORT}}/'))",
):
    try:
        print("ESCAPED:", source, run_js(source))
    except BaseException as error:
        print(type(error).__name__, str(error)[:60])
for what in (lambda: pyodide.http.pyfetch("http://127.0.0.1:{{PORT}}/"), lambda: pyodide.http.pyxhr.get("http://127.0.0.1:{{PORT}}/")):
    try:
        value = what()
        print("ESCAPED:", await asyncio.wait_for(value, 0.3) if hasattr(value, "__await__") else value)
    except BaseException as error:
        print(type(error).__name__, str(error)[:60])
