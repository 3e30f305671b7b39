// Imports the host's modules statically.
// Known from: ES modules.
// expect: error
import * as ops from "ext:core/ops";
import secret from "{{WITNESS}}" with { type: "text" };
console.log("ESCAPED:", ops, secret);
