// Feeds the console with objects that act while they are inspected.
// Known from: Node's util.inspect.custom and Deno's Symbol.for("Deno.customInspect") hooks.
// expect: success
const hooks = ["nodejs.util.inspect.custom", "Deno.customInspect", "Deno.privateCustomInspect", "Deno.internal"];
for (const hook of hooks) {
  console.log({ [Symbol.for(hook)](...values) {
    for (const value of values) {
      if (value?.ops || value?.core || value?.internals) console.log("ESCAPED: internals");
      if (typeof value === "function" && /^op_/.test(value.name)) console.log("ESCAPED:", value.name);
    }
    return "inspected";
  } });
}
console.log(new Proxy({}, { ownKeys() { throw 1; }, get() { throw 2; }, getOwnPropertyDescriptor() { throw 3; } }));
console.log({ get x() { throw 1; } }, Object.create(null), { toString: 1, constructor: { name: { toString() { throw 1; } } } });
for (const method of Object.keys(console)) { try { console[method]("%s %o %O %c %d %j", {}, [], new Map([[{}, {}]]), Symbol("x"), 1n); } catch (error) { console.log(method, error.name); } }
let deep = {};
for (let i = 0; i < 100000; i++) deep = { deep };
console.log(deep);
