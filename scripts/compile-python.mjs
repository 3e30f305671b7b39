// Compiles the Python sources in the archives of pyodide-dist/ (the standard library and the wheels)
// into pyodide-dist/compiled/, with the pinned Pyodide itself, so that no boot and no import has to.

import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";

const directory = new URL("../pyodide-dist/", import.meta.url).pathname;
const compiled = join(directory, "compiled");
// What was compiled from what: { archive: sha256 of its source }.
const record = join(compiled, "sources.json");

const archives = fs
  .readdirSync(directory)
  .filter((name) => name === "python_stdlib.zip" || name.endsWith(".whl"))
  .sort();
const sources = Object.fromEntries(
  archives.map((name) => {
    const bytes = fs.readFileSync(join(directory, name));
    return [name, createHash("sha256").update(bytes).digest("hex")];
  }),
);
const wanted = JSON.stringify(sources, null, 2);
if (fs.existsSync(record) && fs.readFileSync(record, "utf8") === wanted) process.exit(0);

console.log("setup: compiling Python's standard library");
const { loadPyodide } = await import(join(directory, "pyodide.mjs"));
const pyodide = await loadPyodide({ indexURL: directory });
// The code goes next to each source, marked as not to be checked against it (PEP 552): the archive
// does not change. Both stay in: tracebacks and `inspect` read the sources.
const compile = pyodide.runPython(`
def compile_archive(before, after, prefix):
    import importlib._bootstrap_external as bootstrap, importlib.util, zipfile
    with zipfile.ZipFile(before) as source, zipfile.ZipFile(after, "w") as target:
        for name in source.namelist():
            contents = source.read(name)
            target.writestr(zipfile.ZipInfo(name), contents)
            if name.endswith(".py"):
                try:
                    code = compile(contents, f"{prefix}/{name}", "exec", dont_inherit=True)
                except SyntaxError:
                    continue  # Templates and test data.
                hash = importlib.util.source_hash(contents)
                pyc = bootstrap._code_to_hash_pyc(code, hash, False)
                target.writestr(zipfile.ZipInfo(name + "c"), bytes(pyc))
compile_archive
`);
const library = pyodide.runPython(`import sys; "/lib/python{}{}.zip".format(*sys.version_info)`);
fs.rmSync(compiled, { recursive: true, force: true });
fs.mkdirSync(compiled);
for (const name of archives) {
  pyodide.FS.writeFile("/tmp/before", fs.readFileSync(join(directory, name)));
  // Where Pyodide and js/python/boot.mjs put the archives: the names in tracebacks.
  const prefix = name === "python_stdlib.zip" ? library : `/lib/wheels/${name}`;
  compile("/tmp/before", "/tmp/after", prefix);
  fs.writeFileSync(join(compiled, name), pyodide.FS.readFile("/tmp/after"));
}
fs.writeFileSync(record, wanted);
