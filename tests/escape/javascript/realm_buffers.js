// Hands buffers over that are detached, shared, resizable or shrink while they are being read.
// Known from: engine embedders that keep a pointer into an ArrayBuffer (CVE-2021-21220's kin; Node's and Deno's buffer ops).
// expect: success
const attempt = async (name, what) => {
  try { const value = await what(); console.log(name, value?.byteLength ?? typeof value); } catch (error) { console.log(name, error?.name); }
};
const detached = () => { const buffer = new ArrayBuffer(64); structuredClone(buffer, { transfer: [buffer] }); return buffer; };
const detachedView = () => { const view = new Uint8Array(64); structuredClone(view.buffer, { transfer: [view.buffer] }); return view; };
const shrunk = () => { const buffer = new ArrayBuffer(64, { maxByteLength: 128 }); const view = new Uint8Array(buffer, 32); buffer.resize(8); return view; };
const tracking = () => { const buffer = new ArrayBuffer(64, { maxByteLength: 1 << 20 }); return new Uint8Array(buffer); };
const shared = () => new Uint8Array(new SharedArrayBuffer(64, { maxByteLength: 128 }));
const moved = () => { const view = new Uint8Array(64); view.buffer.transfer(1 << 20); return view; };
const wasm = () => { const memory = new WebAssembly.Memory({ initial: 1, maximum: 10 }); const view = new Uint8Array(memory.buffer); memory.grow(1); return view; };
const fixed = () => new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer);
const view = () => { const buffer = new ArrayBuffer(64, { maxByteLength: 128 }); const data = new DataView(buffer, 32, 32); buffer.resize(8); return data; };
for (const [kind, make] of Object.entries({ detached, detachedView, shrunk, tracking, shared, moved, wasm, fixed, view })) {
  await attempt(kind + " random", () => crypto.getRandomValues(make()));
  await attempt(kind + " digest", () => crypto.subtle.digest("SHA-256", make()));
  await attempt(kind + " decode", () => new TextDecoder().decode(make()));
  await attempt(kind + " decode utf-16", () => new TextDecoder("utf-16le").decode(make(), { stream: true }));
  await attempt(kind + " encodeInto", () => new TextEncoder().encodeInto("x".repeat(1000), make()));
  await attempt(kind + " blob", async () => (await new Blob([make()]).arrayBuffer()));
  await attempt(kind + " clone", () => structuredClone(make()));
  await attempt(kind + " post", () => { const { port1, port2 } = new MessageChannel(); port1.postMessage(make()); port1.close(); port2.close(); });
  await attempt(kind + " transfer", () => { const value = make(); return structuredClone(value, { transfer: [value.buffer ?? value] }); });
  await attempt(kind + " write", () => files.write(kind, make()));
  await attempt(kind + " compress", () => new Response(1));
  await attempt(kind + " stream", async () => {
    const writer = new CompressionStream("gzip").writable.getWriter();
    return Promise.race([writer.write(make()), new Promise((resolve) => setTimeout(resolve, 5))]);
  });
  await attempt(kind + " wasm", () => WebAssembly.compile(make()));
  await attempt(kind + " return", () => return_val(make()));
  await attempt(kind + " log", () => console.log(make()));
}
// A buffer that shrinks in the middle of a call, by a getter or a conversion that the call makes.
const resizable = new ArrayBuffer(1 << 16, { maxByteLength: 1 << 17 });
const all = new Uint8Array(resizable);
await attempt("shrinks in digest", () => crypto.subtle.digest({ get name() { resizable.resize(1); return "SHA-256"; } }, all));
await attempt("shrinks in decode", () => { resizable.resize(1 << 16); return new TextDecoder().decode(all, { get stream() { resizable.resize(1); return false; } }); });
await attempt("shrinks in blob", () => { resizable.resize(1 << 16); return new Blob([all, { toString() { resizable.resize(1); return "x"; } }]).arrayBuffer(); });
await attempt("detaches in clone", () => structuredClone({ a: all, get b() { resizable.transfer(); return 1; }, c: all }));
console.log("done");
