// Takes memory outside V8's heap: array buffers, strings, WebAssembly memories.
// Known from: limits that watch only the heap.
// timeout: 6000
const kept = [];
for (const make of [() => new ArrayBuffer(64 << 20), () => new Uint8Array(64 << 20).fill(1), () => "x".repeat(2 ** 28) + kept.length,
  () => new WebAssembly.Memory({ initial: 1000 }), () => new SharedArrayBuffer(64 << 20), () => new Blob([new Uint8Array(64 << 20)]),
  () => new ArrayBuffer(1, { maxByteLength: 2 ** 32 })]) {
  let count = 0;
  try { for (; count < 100; count++) kept.push(make()); } catch (error) { console.log(error.name); }
  console.log(count);
}
