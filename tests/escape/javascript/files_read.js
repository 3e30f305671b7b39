// Reads a file of the host with the APIs of Deno, Node, Bun and shells.
// Known from: the runtimes' own documentation.
// expect: success
const path = "{{WITNESS}}";
for (const source of [
  "Deno.readTextFileSync(path)", "require('fs').readFileSync(path, 'utf8')", "process.binding('fs').open(path)",
  "Bun.file(path).text()", "read(path)", "readbuffer(path)", "load(path)", "d8.file.read(path)", "os.file.readFile(path)",
  "importScripts(path)", "std.loadFile(path)", "new FileReaderSync().readAsText(path)", "File.createFromFileName(path)",
  "fetch('file://' + path)", "new XMLHttpRequest().open('GET', 'file://' + path, false)", "navigator.storage.getDirectory()",
  "showOpenFilePicker()", "caches.open('x')", "indexedDB.open('x')", "localStorage.getItem('x')", "Deno.openKv()",
]) {
  try {
    console.log("ESCAPED:", source, await new Function("path", "return " + source)(path));
  } catch (error) {
    console.log(error.name);
  }
}
