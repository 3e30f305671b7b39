// Reserves address space without end: each WebAssembly memory takes 8 GiB of it and hardly any memory.
// Known from: page tables, which no limit of data counts.
// expect: success, memory_limit
// timeout: 6000
const memories = [];
try {
  for (let i = 0; i < 500; i++) memories.push(new WebAssembly.Memory({ initial: 0, maximum: 65536 }));
  console.log("no end at", memories.length);
} catch (error) {
  console.log(error.name, memories.length > 0);
}
try {
  for (let i = 0; i < 500; i++) memories.push(new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true }));
} catch (error) {
  console.log(error.name);
}
try {
  for (let i = 0; i < 500; i++) memories.push(new ArrayBuffer(0, { maxByteLength: 2 ** 40 }));
} catch (error) {
  console.log(error.name);
}
