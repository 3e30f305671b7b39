// Writes without end.
// Known from: log flooding.
// expect: output_limit
// timeout: 10000
const text = "x".repeat(1e6);
for (;;) console.log(text);
