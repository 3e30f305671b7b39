// Writes without end, a character at a time, to both streams.
// Known from: floods that count on per-message overhead.
// expect: timeout, output_limit
// timeout: 500
for (;;) { console.log("x"); console.error("y"); }
