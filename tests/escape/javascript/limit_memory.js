// Fills V8's heap.
// Known from: V8's fatal out-of-memory, which ends a process.
// expect: error, memory_limit, killed, timeout
// timeout: 10000
const kept = [];
for (;;) kept.push(new Array(10000).fill(kept.length), "x".repeat(1000) + kept.length);
