// Feeds WebAssembly's streaming compiler with responses of its own, whose host call-back expects a resource.
// Known from: deno_core's op_wasm_streaming_feed and op_wasm_streaming_set_url.
// expect: success
const fakes = [
  1, "x", {}, new Uint8Array(8), Promise.resolve({ body: null }), { url: "file://{{WITNESS}}", arrayBuffer: async () => new ArrayBuffer(8) },
  typeof Response === "undefined" ? null : new Response("x"), new Proxy({}, { get: (_, key) => { console.log("asked for", String(key)); return 1; } }),
];
for (const fake of fakes) {
  for (const how of ["compileStreaming", "instantiateStreaming"]) {
    try {
      const late = new Promise((_, reject) => setTimeout(() => reject(new TypeError("late")), 30));
      console.log(await Promise.race([WebAssembly[how](fake), late]));
    } catch (error) {
      console.log(error.name);
    }
  }
}
