// Looks for callers of its own code: arguments.callee, caller, debugger statements, tail positions.
// Known from: sloppy-mode function.caller jail escapes.
// expect: success
function climb() {
  let caller = climb.caller, found = [];
  for (let i = 0; caller && i < 20; i++) { found.push(caller.name); if (/^(op_|run|execute)/.test(caller.name)) console.log("ESCAPED:", caller.name, String(caller).slice(0, 200)); try { caller = caller.caller; } catch { break; } }
  return found;
}
const sloppy = new Function("f", "return f()");
console.log(sloppy(climb), [1].map(() => sloppy(climb)).length);
debugger;
await new Promise((resolve) => setTimeout(() => { sloppy(climb); resolve(); }, 1));
try { console.log(arguments.length, typeof arguments.callee); } catch (error) { console.log(error.name); }
console.log(typeof this, this === globalThis);
