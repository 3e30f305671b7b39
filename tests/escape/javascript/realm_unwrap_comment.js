// Comments out what the runner puts behind the program, and leaves brackets, templates and comments open.
// Known from: template injection into generated code.
// expect: error
console.log(`open ${"{{WITNESS}}".length}`);
/* never closed
