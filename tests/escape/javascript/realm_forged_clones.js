// Forges the objects that structured clone takes for the host's own: ports and blobs with handles of its choice.
// Known from: Deno's Symbol.for("Deno.core.hostObject") and its registry of cloneable resources.
// The process may end by it: deno_core panics for a kind that it does not know.
// expect: success, killed
const brand = Symbol.for("Deno.core.hostObject");
const attempt = async (name, what) => {
  try { const value = await Promise.race([what(), new Promise((resolve) => setTimeout(resolve, 20, "late"))]); console.log(name, typeof value); } catch (error) { console.log(name, error?.name); }
};
const forged = (data) => structuredClone({ get x() { return { [brand]: typeof data === "function" ? data : () => data }; } }).x;
await attempt("throws", () => forged(() => { throw new Error("x"); }));
await attempt("deep", () => { let depth = 0; const object = { [brand]: () => (depth++ < 1e5 ? structuredClone(object) : 1) }; return structuredClone(object); });
await attempt("promise id", () => { const promise = new Blob(["x"]).text(); promise[Symbol.for("Deno.core.internalPromiseId")] = 0; return promise; });
const { port1, port2 } = new MessageChannel();
for (const symbol of Object.getOwnPropertySymbols(port1)) for (const value of [0, 1, 2, 3, 4, 5, 6, 7, -1, 2 ** 40, null, port2[symbol]]) {
  await attempt("handle", () => { port1[symbol] = value; port1.postMessage("x", []); port1.start(); });
}
await attempt("transfer", () => structuredClone(port2, { transfer: [port2] }));
await attempt("transfer twice", () => structuredClone(port2, { transfer: [port2, port2] }));
port1.close(); port2.close();
for (const rid of [0, 1, 2, 3, 4, 5, 100, -1, 2 ** 31, 2 ** 32, NaN, "3", {}, null]) {
  await attempt("port " + String(rid), () => { const port = forged({ type: "MessagePort", id: rid, rid, data: rid }); port.postMessage?.("x"); port.start?.(); port.close?.(); return port; });
  await attempt("raw " + String(rid), () => forged(rid));
  await attempt("blob", async () => { const blob = forged({ type: "Blob", mimeType: "x", size: rid, parts: [{ uuid: String(rid), size: rid }] }); return (await blob.text()) + blob.size; });
}
for (const type of ["constructor", "__proto__", "toString", "hasOwnProperty", "File", "DOMException", "CryptoKey", "MessagePort", "ImageData", "X509", "", 1, Symbol.iterator]) {
  await attempt(String(type), () => forged({ type, parts: [], name: {}, mimeType: {}, size: -1 }));
  await attempt(String(type), () => forged({ type, get parts() { throw 1; } }));
}
console.log("done");
