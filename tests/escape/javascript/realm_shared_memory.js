// Waits for ever on shared memory.
// Known from: Atomics.wait on the main thread.
// expect: timeout
// timeout: 500
const words = new Int32Array(new SharedArrayBuffer(8));
for (;;) { try { Atomics.wait(words, 0, 0); } catch (error) { console.log(error.name); } }
