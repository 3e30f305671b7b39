// Breaks out of whatever the runner wraps around the program's text.
// Known from: template injection into generated code ("})(); … (() => {").
// expect: error
// timeout: 2000
console.log("before");
}); globalThis.escaped = 1; console.log("ESCAPED: out of the wrapper"); (async () => {
console.log("after");
