// Takes functions and receivers of host frames out of stack traces.
// Known from: vm2's CVE-2022-36067 and CVE-2023-29017.
// expect: error
Error.stackTraceLimit = 200;
const found = new Set();
Error.prepareStackTrace = (error, sites) => {
  for (const site of sites) {
    for (const method of ["getThis", "getFunction"]) {
      try {
        const value = site[method]();
        const file = String(site.getFileName());
        if (value && value !== globalThis && file !== "<code>" && !file.includes("eval")) found.add(`${method} ${file} ${typeof value} ${value?.name}`);
        if (value && (value.ops || value.core || value.op_panic)) found.add("ESCAPED: ops");
      } catch {}
    }
    const file = String(site.getFileName?.());
    if (file.startsWith("/") || file.startsWith("file:")) found.add("ESCAPED: " + file);
  }
  return "";
};
const trap = { toString() { new Error("x").stack; throw new Error("y"); }, valueOf() { new Error("z").stack; return 1; }, get href() { new Error("h").stack; } };
for (const call of [
  () => new URL(trap), () => new TextDecoder(trap), () => atob(trap), () => btoa(trap), () => structuredClone(trap), () => console.log(trap),
  () => setTimeout(trap), () => new Blob([trap]), () => new Event(trap, trap), () => new EventTarget().dispatchEvent(trap), () => crypto.getRandomValues(trap),
  () => new URLSearchParams(trap), () => new Headers(trap), () => new ReadableStream(trap), () => performance.mark(trap), () => performance.measure(trap, trap),
  () => new AbortController().abort(trap), () => reportError(trap), () => queueMicrotask(trap), () => new CompressionStream(trap), () => new FormData(trap),
]) { try { call(); } catch (error) { try { error.stack; } catch {} } }
await new Promise((resolve) => setTimeout(() => { new Error("t").stack; resolve(); }, 1));
console.log([...found].filter((text) => text.startsWith("ESCAPED")).join("\n") || "nothing");
// At last, since an error in a listener ends the program.
const target = new EventTarget();
target.addEventListener("x", () => { throw new Error("listener"); });
target.dispatchEvent(new Event("x"));
