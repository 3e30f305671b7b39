// Names the host's files as source map and as source, and throws from there.
// Known from: source map consumers that read the file system.
// expect: success
for (const comment of [
  "//# sourceMappingURL=file://{{WITNESS}}", "//# sourceMappingURL={{WITNESS}}", "//# sourceMappingURL=http://127.0.0.1:{{PORT}}/x.map",
  "//# sourceURL=file://{{WITNESS}}", "//# sourceURL=ext:core/01_core.js", "//# sourceURL={{WITNESS}}",
]) {
  try { (0, eval)(`(() => { throw new Error("x") })()\n${comment}`); } catch (error) { console.log(error.stack); }
}
//# sourceMappingURL=file://{{WITNESS}}
