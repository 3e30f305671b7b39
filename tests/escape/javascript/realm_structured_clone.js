// Serializes and deserializes what the host's serializer may not expect.
// Known from: V8's ValueDeserializer bugs; deno_core's op_deserialize, op_structured_clone.
// timeout: 4000
const values = [() => 1, Symbol(), new WeakMap(), new Proxy({}, {}), new Proxy([], { get() { throw 1; } }), { get x() { throw 2; } },
  new SharedArrayBuffer(8), new WebAssembly.Memory({ initial: 1 }), new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])),
  new ArrayBuffer(8), new Uint8Array(new ArrayBuffer(8, { maxByteLength: 16 })), new Error("x", { cause: {} }), /x/g, new Date(NaN), 10n ** 1000n, [, 1], new Map([[1, 1]])];
for (const value of values) {
  for (const options of [undefined, { transfer: [value] }, { transfer: [value, value] }, { transfer: [globalThis] }, { transfer: { length: 1e9 } }]) {
    try { structuredClone(value, options); } catch (error) { if (!(error instanceof Error)) console.log(typeof error); }
  }
}
const mutating = { get a() { delete this.b; this.c = new Array(1000).fill(this); return 1; }, b: 1 };
try { structuredClone(mutating); } catch (error) { console.log(error.name); }
let deep = [];
for (let i = 0; i < 200000; i++) deep = [deep];
try { structuredClone(deep); } catch (error) { console.log(error.name); }
console.log("cloned");
