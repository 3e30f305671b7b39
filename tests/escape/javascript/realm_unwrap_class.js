// Ends the wrapper where a declaration of a function would go on as well: a new statement on a new line.
// Known from: JavaScript's automatic semicolons.
// expect: error
console.log("before");
}
globalThis.escaped = 1; console.log("ESCAPED: out of the wrapper");
async function again() {
