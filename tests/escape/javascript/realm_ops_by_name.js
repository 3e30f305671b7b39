// Looks for deno_core's and the extensions' ops by name, and for V8's own debugging syntax.
// Known from: deno_core's sources.
// expect: success
const names = ["op_panic", "op_print", "op_read_sync", "op_write_sync", "op_close", "op_eval_context", "op_compile_function", "op_import_sync",
  "op_resources", "op_memory_usage", "op_void_sync", "op_base64_decode", "op_blob_create_part", "op_message_port_create_entangled",
  "op_url_parse", "op_timer_handle", "op_now", "op_sleep", "op_faas_write", "op_faas_finish", "op_dispatch_exception", "op_get_proxy_details"];
const holders = [globalThis, Object.prototype, Function.prototype, Promise, Error, console, performance, crypto, URL, Blob, setTimeout, EventTarget.prototype];
for (const name of names) {
  for (const holder of holders) if (holder?.[name] !== undefined) console.log("ESCAPED:", name);
  if ((0, eval)("typeof " + name) !== "undefined") console.log("ESCAPED:", name);
}
for (const text of ["%DebugPrint(1)", "%SystemBreak()", "%GetOptimizationStatus(eval)", "%AbortJS('x')", "%HeapObjectVerify(1)"]) {
  try { (0, eval)(text); console.log("ESCAPED:", text); } catch (error) { console.log(error.name); }
}
