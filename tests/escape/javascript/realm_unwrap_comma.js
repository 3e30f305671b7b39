// Breaks out of whatever the runner wraps around the program's text, by way of a comma.
// Known from: template injection into generated code; a checker that only counts statements.
// expect: error
console.log("before");
}, globalThis.escaped = 1, console.log("ESCAPED: out of the wrapper"), async () => {
console.log("after");
