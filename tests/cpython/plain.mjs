// Runs one program in plain Pyodide, with a wheel unpacked for it to import: what it prints goes to stdout.
//
// deno run --allow-read plain.mjs PYODIDE_DIRECTORY WHEEL PROGRAM INPUT
const [directory, wheel, program, input] = Deno.args;
const { loadPyodide } = await import(`file://${directory}/pyodide.mjs`);
const pyodide = await loadPyodide({ indexURL: directory });
pyodide.unpackArchive(Deno.readFileSync(wheel), "wheel");
pyodide.setStdout({ batched: (line) => console.log(line) });
pyodide.setStderr({ batched: (line) => console.error(line) });
pyodide.globals.set("input_data", pyodide.toPy(JSON.parse(input)));
await pyodide.runPythonAsync(Deno.readTextFileSync(program));
Deno.exit(0);
