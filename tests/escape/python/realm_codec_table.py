# Has the realm's text decoder look its codec up by a name that its table inherits.
# Known from: prototype properties as keys of a lookup table.
# expect: success
from pyodide.code import run_js

print(run_js("""(() => {
  const found = [];
  for (const name of ["valueOf", "constructor", "__proto__", "toString", "hasOwnProperty", "__defineGetter__", "__lookupGetter__", "isPrototypeOf"]) {
    try {
      const decoder = new TextDecoder();
      decoder.encoding = name;
      const value = decoder.decode(new Uint8Array(2));
      for (const inner of [value, ...Object.values(Object(value))]) {
        if (typeof inner === "function" && /^op_/.test(inner.name)) found.push("ESCAPED: " + inner.name);
      }
    } catch (error) { found.push(error.name); }
  }
  return found.join("\\n");
})()"""))
