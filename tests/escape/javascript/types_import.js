// Imports the host's files as types and with import-equals.
// Known from: TypeScript's import forms.
// language: typescript
// timeout: 2000
import type { X } from "{{WITNESS}}";
import fs = require("fs");
type Y = import("{{WITNESS}}").Z;
console.log(typeof fs === "undefined" ? "fine" : "ESCAPED: fs");
