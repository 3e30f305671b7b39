// Reads the private-looking symbols of web objects, which point at host resources, and forges them.
// Known from: Deno's webidl brand and [_rid] symbols.
// expect: success
const objects = { url: new URL("http://a/"), blob: new Blob(["x"]), event: new Event("x"), signal: new AbortController().signal, target: new EventTarget(),
  decoder: new TextDecoder(), stream: typeof ReadableStream === "function" && new ReadableStream(), headers: typeof Headers === "function" && new Headers() };
for (const [name, object] of Object.entries(objects)) {
  for (const symbol of Object.getOwnPropertySymbols(object || {})) {
    const value = object[symbol];
    if (typeof value === "function" && /^op_/.test(value.name)) console.log("ESCAPED:", name, value.name);
    try { object[symbol] = 3; } catch {}
    try { object[symbol] = { rid: 3 }; } catch {}
  }
  try { String(object); object.href; object.text?.()?.catch?.(() => {}); object.abort?.(); object.getReader?.(); } catch {}
}
for (const name of ["Blob", "URL", "Event", "AbortSignal", "TextDecoder", "ReadableStream", "MessagePort"]) {
  try { const fake = Object.create(globalThis[name].prototype); for (const key of Reflect.ownKeys(globalThis[name].prototype)) try { fake[key]; fake[key]()?.catch?.(() => {}); } catch {} } catch {}
}
console.log("done");
