// Imports deno_core's and the extensions' modules, and those of other schemes, in every phase.
// Known from: import("ext:core/ops"), which early deno_core versions allowed.
// expect: success
const specifiers = ["ext:core/ops", "ext:core/mod.js", "ext:deno_web/00_url.js", "ext:deno_web/02_timers.js", "ext:deno_webidl/00_webidl.js",
  "ext:faas_javascript/realm.js", "ext:faas_js/realm.js", "internal:core", "checkin:x", "node:fs", "node:process", "npm:x", "jsr:@x/y", "bun:ffi",
  "http://127.0.0.1:{{PORT}}/x.js", "https://127.0.0.1:{{PORT}}/x.js", "data:text/javascript,export default 1", "data:application/json,1", "", "\0", "./<code>", "<code>"];
for (const specifier of specifiers) {
  for (const how of ["import(s)", "import(s, {with: {type: 'json'}})", "import.defer(s)", "import.source(s)"]) {
    try {
      const late = new Promise((_, reject) => setTimeout(() => reject(new Error("pending")), 20));
      const module = await Promise.race([new Function("s", "return " + how)(specifier), late]);
      console.log("ESCAPED:", specifier, how, module);
    } catch (error) {
      if (error.message === "pending") console.log("ESCAPED: pending", specifier, how);
    }
  }
}
