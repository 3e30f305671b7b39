# Looks for deno_core's ops by the names they have had, wherever they might hang.
# Known from: deno_core's sources (op_panic, op_read_all, op_import_sync, …).
# expect: success
from pyodide.code import run_js

print(run_js(r"""
const names = ["op_panic", "op_print", "op_read", "op_write", "op_read_sync", "op_write_sync", "op_resources", "op_close",
  "op_eval_context", "op_compile_function", "op_import_sync", "op_memory_usage", "op_set_promise_hooks", "op_wasm_streaming_set_url",
  "op_void_async", "op_error_async", "op_dispatch_exception", "op_queue_microtask", "op_add", "op_get_proxy_details",
  "op_serialize", "op_deserialize", "op_str_byte_length", "op_is_terminal", "op_timer_now", "op_faas_boot_file", "op_faas_write"];
const holders = [globalThis, globalThis.Deno?.core?.ops, globalThis.__bootstrap?.core?.ops, globalThis.core, globalThis.ops,
  Function.prototype, Object.prototype, Promise, Error, console, performance, crypto, setTimeout, TextDecoder];
const found = [];
for (const name of names) for (const holder of holders) {
  try { if (holder && holder[name]) found.push("ESCAPED: " + name); } catch {}
  try { if (eval("typeof " + name) !== "undefined") found.push("ESCAPED: " + name); } catch {}
}
for (const text of ["%GetOptimizationStatus(1)", "%DebugPrint(1)", "%SystemBreak()", "%AbortJS('x')"]) {
  try { eval(text); found.push("ESCAPED: " + text); } catch {}
}
found.join("\n") || "nothing"
"""))
