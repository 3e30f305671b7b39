// Asks for the module's own address and what hangs on it.
// Known from: import.meta.url, import.meta.resolve, import.meta.dirname.
const meta = import.meta;
console.log(Object.keys(meta).length);
for (const key of ["url", "filename", "dirname", "main", "resolve", "log"]) if (meta[key] !== undefined) console.log("ESCAPED:", key, String(meta[key]));
export {};
