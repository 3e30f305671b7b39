# Calls the few functions that the host does give, with every kind of argument.
# Known from: fuzzing native bindings; CVE-2023-22499 (Deno's prompts) for what a binding may do.
import js
import _faas_host
from pyodide.code import run_js

print(run_js(r"""
(host) => {
  const values = [undefined, null, 0, -1, 1e308, NaN, Infinity, 2 ** 53, 10n, "", "x".repeat(1e5), Symbol.iterator, {}, [], () => 1,
    new Uint8Array(0), new Uint8Array(new SharedArrayBuffer(8)), new DataView(new ArrayBuffer(8)), new ArrayBuffer(8), new Proxy({}, {}),
    new Proxy(() => 1, { get() { throw 1; } }), { valueOf() { throw 2; } }, { toString() { return {}; } }, Object.create(null)];
  const detached = new Uint8Array(8);
  detached.buffer.transfer?.();
  values.push(detached);
  const resizable = new Uint8Array(new ArrayBuffer(8, { maxByteLength: 64 }));
  resizable.buffer.resize(0);
  values.push(resizable);
  let calls = 0;
  const functions = [crypto.getRandomValues, console.log, console.error, clearTimeout, setInterval,
    (x) => new TextDecoder().decode(x), (x) => new TextDecoder("utf-16le").decode(x), (x) => new TextDecoder("latin1").decode(x),
    (x) => new TextEncoder().encode(x), (x, y) => new TextEncoder().encodeInto(x, y), (x) => performance.now(x)];
  for (const f of functions) for (const a of values) for (const b of values.slice(0, 8)) {
    try { f(a, b); } catch {}
    calls++;
  }
  return calls;
}""")(_faas_host))
for name in ("finish", "package", "pump", "stop_requested", "acknowledge_stop", "wait"):
    for arguments in ((), (1,), ("x", "y", "z"), (None, None, None), (2**63, 1, 1), (1e308, "x" * 100, True), ([], {}, ())):
        if name == "wait" and arguments != (1,):
            continue
        try:
            getattr(_faas_host, name)(*arguments)
        except BaseException as error:
            pass
