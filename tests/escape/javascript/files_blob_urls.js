// Makes blobs, object URLs and files that pretend to be on the host's disk.
// Known from: Deno's blob store; blob: URLs as module specifiers.
// expect: success
const attempt = async (name, what) => {
  try { console.log(name, await what()); } catch (error) { console.log(name, error.name); }
};
await attempt("file", () => new File([], "{{WITNESS}}").text());
await attempt("url", () => URL.createObjectURL(new Blob(["export default 1"], { type: "text/javascript" })));
await attempt("import", () => import(URL.createObjectURL(new Blob(["console.log('ESCAPED: it ran a module')"]))));
await attempt("stream", () => new Response(new Blob(["x"]).stream()).text());
await attempt("parts", () => new Blob([{ toString: () => "{{WITNESS}}" }]).text());
await attempt("slice", () => new Blob(["abc"]).slice(-1e20, 1e20).text());
await attempt("reader", () => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = reject;
  reader.readAsText("{{WITNESS}}");
}));
