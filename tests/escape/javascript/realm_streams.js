// Drives streams and compressors with sources that lie, recurse and never end.
// Known from: deno_web's streams and compression resources.
// timeout: 3000
const attempt = async (name, what) => {
  try {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error("late")), 100));
    await Promise.race([what(), late]);
    console.log(name, "done");
  } catch (error) { console.log(name, error?.name); }
};
await attempt("self", async () => { const s = new TransformStream(); await s.readable.pipeTo(s.writable); });
await attempt("then", async () => { Object.prototype.then = function (resolve) { delete Object.prototype.then; resolve({ done: true }); }; await new ReadableStream({}).getReader().read(); });
delete Object.prototype.then;
await attempt("size", async () => new ReadableStream({ pull(c) { c.enqueue(1); } }, { size: () => -1, highWaterMark: Infinity }));
await attempt("tee", async () => { let s = new ReadableStream({ pull(c) { c.enqueue(1); } }); for (let i = 0; i < 1000; i++) [, s] = s.tee(); });
await attempt("byob", async () => { const r = new ReadableStream({ type: "bytes", pull(c) { c.byobRequest?.respond(1e9); } }).getReader({ mode: "byob" }); await r.read(new Uint8Array(1)); });
await attempt("bomb", async () => {
  const writer = new CompressionStream("gzip").writable.getWriter();
  for (let i = 0; i < 100; i++) await writer.write(new Uint8Array(1 << 20));
});
await attempt("resource", async () => { for (const key of Object.getOwnPropertySymbols(new ReadableStream())) console.log(String(key)); });
