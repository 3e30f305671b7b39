// Imports a file of the host as a module, as JSON, as text, as bytes, and through its syntax error.
// Known from: import attributes ("with { type }") that load data.
// expect: success
for (const specifier of ["{{WITNESS}}", "file://{{WITNESS}}", "file:{{WITNESS}}", "../../../../..{{WITNESS}}", "file://localhost{{WITNESS}}"]) {
  for (const type of [undefined, "json", "text", "bytes", "css", "wasm"]) {
    try {
      console.log("ESCAPED:", await import(specifier, type && { with: { type } }));
    } catch (error) {
      console.log(error.name, error.message.slice(0, 50));
    }
  }
}
