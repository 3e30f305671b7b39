// Loops in a getter that runs while its error is being formatted.
// Known from: denial of service through exception formatting.
// expect: timeout
// timeout: 400
const error = new Error("x");
for (const name of ["stack", "message", "name", "cause"]) Object.defineProperty(error, name, { get() { for (;;); } });
throw error;
