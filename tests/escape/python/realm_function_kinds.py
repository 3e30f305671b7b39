# Uses the constructors of async, generator and class functions, which a deletion of Function leaves.
# Known from: AngularJS and vm2 sandbox bypasses.
# expect: success
from pyodide.code import run_js

print(run_js("""
const found = [];
const constructors = [
  (function () {}).constructor, (async function () {}).constructor, (function* () {}).constructor,
  (async function* () {}).constructor, (() => {}).constructor, (class {}).constructor,
  Reflect.construct.constructor, Object.getOwnPropertyDescriptor(Map.prototype, "size").get.constructor,
  [].values().constructor, Iterator.prototype.map.constructor, new Proxy(function () {}, {}).constructor,
  setTimeout.constructor, console.log.constructor, (0, eval).constructor, WebAssembly.Module.constructor,
];
for (const Make of constructors) {
  for (const name of ["Deno", "process", "require", "__bootstrap", "module", "exports", "__dirname"]) {
    try {
      let value = Make(`return typeof ${name}`)();
      if (value && value.next) value = value.next();
      if (String(value?.value ?? value) === "object" || value === "function") found.push("ESCAPED: " + name);
    } catch (error) {}
  }
}
found.join("\\n") || "nothing"
"""))
