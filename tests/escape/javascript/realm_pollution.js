// Leaves prototypes and globals poisoned, for the runner and for the next execution.
// Known from: prototype pollution (CVE-2019-10744 and its family).
Object.prototype.polluted = 1;
Array.prototype[Symbol.iterator] = function* () { yield "poisoned"; };
Promise.prototype.then = () => { throw 1; };
JSON.stringify = () => '"poisoned"';
String.prototype.toString = () => "poisoned";
globalThis.console = null;
globalThis.setTimeout = () => {};
Object.freeze(Object.prototype);
Object.freeze(globalThis);
Error.prepareStackTrace = () => { throw 2; };
throw new Error("poisoned");
