// Spins in microtasks, which never let a timer run.
// Known from: starvation of promise-based watchdogs.
// expect: timeout
// timeout: 400
await (async function again() { for (;;) await null; })();
