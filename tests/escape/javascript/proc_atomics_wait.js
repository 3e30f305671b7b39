// Blocks the thread in the engine, where no interrupt of the engine looks.
// Known from: Atomics.wait on the main thread.
// timeout: 800
const words = new Int32Array(new SharedArrayBuffer(8));
console.log("before");
for (;;) {
  try { console.log(Atomics.wait(words, 0, 0, Infinity)); } catch (error) { console.log(error.name); }
}
